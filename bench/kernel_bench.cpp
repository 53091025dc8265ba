// Speed of the one path in one process: command → durable → projected, workflows, replay, restart.
//
//   kernel_bench [--records N] [--instances N] [--stored N] [--shards N] [--pending N] [--folder F]
//   [--full]
//                [--only command|shards|workflow|replay|restart|effects|disk|stored]
//
// --full restarts with 1,000,000 records and replays 2,000,000 of effects. --stored N: how many instances are stored
// before the throughput with them is compared with that of an empty folder. --shards N: how many shards on one log are
// compared with one.

#include <malloc.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <thread>

#include "bench/disk_use.hpp"
#include "bench/memory_use.hpp"
#include "bench/shard_under_test.hpp"
#include "kernel/effects/effect_dispatcher.hpp"

namespace trv::bench {
namespace {

struct Sizes {
  std::uint64_t records = 200'000;
  std::uint64_t restart_records = 200'000;
  std::uint64_t effect_records = 200'000;
  std::uint64_t pending = 10'000;
  std::uint64_t instances = 20'000;
  std::uint64_t stored = 100'000;
  std::uint64_t shards = 4;
};

constexpr std::string_view ten_steps = R"(
document: {dsl: 1.0.3, namespace: bench, name: ten-steps, version: 1.0.0}
do:
  - first: {set: {count: 1, label: start}}
  - second: {set: {count: "${ .count + 1 }", label: "${ .label }"}}
  - third:
      switch:
        - many: {when: .count > 100, then: end}
        - few: {then: fourth}
  - fourth: {set: {count: "${ .count + 1 }", label: middle}}
  - fifth: {set: {count: "${ .count + 1 }", label: "${ .label + \"-5\" }"}}
  - sixth: {set: {count: "${ .count * 2 }", label: "${ .label }"}}
  - seventh:
      switch:
        - odd: {when: .count % 2 == 1, then: end}
        - even: {then: eighth}
  - eighth: {set: {count: "${ .count + 1 }", label: "${ .label }"}}
  - ninth: {set: {count: "${ .count + 1 }", label: late}}
  - tenth: {set: {done: true, count: "${ .count }"}}
)";
constexpr std::uint64_t internal_steps = 10;

constexpr std::string_view one_step = R"(
document: {dsl: 1.0.3, namespace: bench, name: one-step, version: 1.0.0}
do:
  - only: {set: {done: true}}
)";

/// As many calls as the other has steps, one after another.
std::string ten_calls() {
  std::string text =
      "document: {dsl: 1.0.3, namespace: bench, name: ten-calls, version: 1.0.0}\n"
      "do:\n";
  for (std::uint64_t i = 0; i < internal_steps; ++i) {
    text += fmt::format(
        "  - call{0}: {{call: http, with: {{method: get, endpoint: 'https://api.example.com/orders/{0}'}}}}\n", i);
  }
  return text;
}

/// What the HTTP performer makes of a small JSON answer.
constexpr const char* http_answer = R"({"order":4711,"state":"in delivery"})";

void add_member(ShardUnderTest& shard, std::uint64_t number) {
  shard.submit(
      [&shard, number](const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        return tenancy::decide(shard.stores().tenancy, state, context,
                               tenancy::AddMember{.user = fmt::format("user-{:08}@example.com", number)});
      });
}

void receive_event(ShardUnderTest& shard, std::uint64_t number) {
  shard.submit([&shard, number](const lmdb::Txn& state,
                                shard::DecisionContext& context) -> base::Result<shard::Decision> {
    ingest::Received event{.id = fmt::format("delivery-{:08}", number),
                           .source = "https://example.com/acme",
                           .type = "com.example.order.placed",
                           .subject = "orders/4711",
                           .time = context.now,
                           .data = R"({"order":4711,"customer":"ada","items":[{"sku":"A-1","count":2}],"total":42.5})",
                           .channel = "api"};
    TRV_TRY_ASSIGN(const auto taken, shard.stores().ingest.taken(state, context.tenant, event));
    if (taken) return base::fail(base::ErrorCode::conflict, "the event was taken before");
    TRV_TRY_ASSIGN(record::Draft draft, ingest::received(context, event));
    shard::Decision decision;
    decision.events.push_back(std::move(draft));
    return decision;
  });
}

void measure_commands(const std::filesystem::path& folder, std::uint64_t count) {
  ShardUnderTest shard(folder);
  const auto measure = [&](const std::string& name, auto submit) {
    (void)timed(shard, count / 20 + 1, [&](std::uint64_t i) { submit(shard, 90'000'000 + i); });
    const Run run = timed(shard, count, [&](std::uint64_t i) { submit(shard, i); });
    report({.name = name, .value = run.records / run.wall_seconds, .unit = "events/s", .floor = at_least(50'000)});
    report({.name = name + "_cpu",
            .value = run.cpu_seconds / run.records * 1e6,
            .unit = "us of the shard thread per event",
            .floor = at_most(12)});
  };
  progress("{} commands of one event each, twice", count);
  measure("command_add_member", add_member);
  measure("command_receive_event", receive_event);
}

/// Events a second of commands of one event each, dealt out over shards that share a log and its fsyncs.
double rate_of_shards(const std::filesystem::path& folder, std::uint64_t shards, std::uint64_t count) {
  const auto log = ShardUnderTest::open_log(folder);
  std::vector<std::unique_ptr<ShardUnderTest>> all;
  for (std::uint64_t id = 0; id < shards; ++id) {
    all.push_back(std::make_unique<ShardUnderTest>(folder / "projection" / std::to_string(id), log, log::ShardId(id)));
  }
  const auto run = [&](std::uint64_t first, std::uint64_t commands) {
    for (std::uint64_t i = 0; i < commands; ++i) add_member(*all[i % shards], first + i);
    for (const auto& shard : all) shard->drain();
  };
  run(90'000'000, count / 20 + 1);
  const Stopwatch watch;
  run(0, count);
  return static_cast<double>(count) / watch.seconds();
}

void measure_shards(const std::filesystem::path& folder, std::uint64_t shards, std::uint64_t count) {
  progress("{} commands of one event each on 1 shard, then on {}", count, shards);
  const double one = rate_of_shards(folder / "one", 1, count);
  report({.name = "command_on_1_shard", .value = one, .unit = "events/s"});
  const double several = rate_of_shards(folder / "several", shards, count);
  report({.name = fmt::format("command_on_{}_shards", shards),
          .value = several,
          .unit = "events/s",
          .compares_with = "one shard",
          .ratio = several / one});
}

void measure_workflow(const std::filesystem::path& folder, std::uint64_t instances) {
  ShardUnderTest shard(folder);
  shard.apply_definition(std::string(ten_steps));
  progress("{} instances of {} internal steps", instances, internal_steps);
  (void)timed(shard, instances / 20 + 1, [&](std::uint64_t) { shard.start_instance("ten-steps"); });
  const Run run = timed(shard, instances, [&](std::uint64_t) { shard.start_instance("ten-steps"); });
  const auto count = static_cast<double>(instances);
  if (run.records != count * (internal_steps + 2)) give_up("an instance did not make its ten steps");
  report({.name = "workflow_ten_steps",
          .value = count / run.wall_seconds,
          .unit = "instances/s",
          .floor = at_least(5'000)});
  report({.name = "workflow_step_cpu",
          .value = run.cpu_seconds / (count * internal_steps) * 1e6,
          .unit = "us of the shard thread per step, start and end of the instance included",
          .floor = at_most(15)});
  // One command a batch: what a batch costs by itself is no longer shared.
  const std::uint64_t alone = instances / 10 + 1;
  const Run one_by_one = timed(shard, alone, [&](std::uint64_t) {
    shard.start_instance("ten-steps");
    shard.drain();
  });
  const double cpu_alone = one_by_one.cpu_seconds / static_cast<double>(alone);
  report({.name = "workflow_alone_cpu",
          .value = cpu_alone * 1e6,
          .unit = "us of the shard thread per instance that is a batch of its own",
          .compares_with = "an instance of a large batch",
          .ratio = cpu_alone / (run.cpu_seconds / count)});
}

void measure_disk(const std::filesystem::path& folder, std::uint64_t instances) {
  ShardUnderTest shard(folder);
  shard.apply_definition(std::string(ten_steps));
  shard.apply_definition(ten_calls());
  const auto measure = [&](const std::string& name, const char* workflow, std::uint64_t count, double bytes_max) {
    const auto start = [&](std::uint64_t) { shard.start_instance(workflow); };
    (void)timed(shard, count / 4 + 1, start);
    const DiskUse before = DiskUse::of(shard, folder);
    (void)timed(shard, count, start);
    report_disk_use(name, before, DiskUse::of(shard, folder), static_cast<double>(count), bytes_max);
  };
  progress("disk use of {} instances of {} internal steps", instances, internal_steps);
  measure("bytes_per_ten_step_workflow", "ten-steps", instances, 9'000);
  progress("disk use of {} instances of {} HTTP effects", instances / 4 + 1, internal_steps);
  shard.answer_effects_with(http_answer);
  measure("bytes_per_ten_effect_workflow", "ten-calls", instances / 4 + 1, 30'000);
}

void measure_stored(const std::filesystem::path& folder, std::uint64_t stored, std::uint64_t instances) {
  double rate = 0;
  double empty_rate = 0;
  ShardUnderTest shard(folder);
  shard.apply_definition(std::string(ten_steps));
  shard.apply_definition(std::string(one_step));
  const auto measure = [&] {
    const auto start = [&](std::uint64_t) { shard.start_instance("ten-steps"); };
    (void)timed(shard, instances / 20 + 1, start);
    std::array<double, 5> rates{};  // their median is compared: single ones differ by a fifth on a busy machine
    for (double& one : rates) one = static_cast<double>(instances) / timed(shard, instances, start).wall_seconds;
    std::ranges::sort(rates);
    return rates[rates.size() / 2];
  };
  empty_rate = measure();
  for (std::uint64_t i = 0; i < stored; ++i) {
    if (i % 1'000'000 == 0) progress("{} of {} instances are stored", i, stored);
    shard.start_instance("one-step");
  }
  shard.drain();
  rate = measure();
  report({.name = "workflow_ten_steps_stored",
          .value = rate,
          .unit = fmt::format("instances/s with {} stored ones", stored),
          .compares_with = "an empty folder",
          .ratio = rate / empty_rate,
          .floor = ratio_at_least(0.9)});
}

/// A projector that another one follows; sums up what that one costs.
class TimedProjector final : public projection::Projector {
 public:
  explicit TimedProjector(projection::Projector& inner) : inner_(inner) {}
  [[nodiscard]] std::string_view name() const override { return inner_.name(); }
  [[nodiscard]] std::uint32_t layout_version() const override { return inner_.layout_version(); }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override { return inner_.open(txn); }
  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& record) override {
    const Stopwatch watch;
    base::Status status = inner_.apply(txn, record);
    seconds_ += watch.seconds();
    return status;
  }
  void prepare(const record::RecordView& record, std::string& out) const override { inner_.prepare(record, out); }
  [[nodiscard]] base::Status apply_prepared(lmdb::WriteTxn& txn, const record::RecordView& record,
                                            std::string_view prepared) override {
    const Stopwatch watch;
    base::Status status = inner_.apply_prepared(txn, record, prepared);
    seconds_ += watch.seconds();
    return status;
  }
  void begin() override { inner_.begin(); }
  [[nodiscard]] base::Status finish(lmdb::WriteTxn& txn) override {
    const Stopwatch watch;
    base::Status status = inner_.finish(txn);
    seconds_ += watch.seconds();
    return status;
  }
  [[nodiscard]] double seconds() const { return seconds_; }

 private:
  projection::Projector& inner_;
  double seconds_ = 0;
};

std::unique_ptr<projection::Projection> empty_projection(const std::filesystem::path& folder,
                                                         std::vector<projection::Projector*> projectors) {
  projection::ProjectionOptions options;
  options.folder = folder;
  return must(projection::Projection::open(options, only_shard, std::move(projectors)));
}

void measure_replay(const std::filesystem::path& folder, const std::string& name,
                    const std::filesystem::path& scratch) {
  const auto log = must(log::LmdbEventLog::open(folder / "log"));
  const auto count = static_cast<double>(must(log->bounds(only_shard)).last.value());
  progress("replay of {} records", count);
  {
    node::ShardStores stores;
    const auto projection = empty_projection(scratch / "replay", stores.projectors());
    const Stopwatch watch;
    const double cpu = cpu_seconds();
    (void)must(projection->rebuild(*log));
    report({.name = name, .value = count / watch.seconds(), .unit = "records/s", .floor = at_least(300'000)});
    report({.name = name + "_cpu", .value = (cpu_seconds() - cpu) / count * 1e6, .unit = "us per record"});
  }
  std::filesystem::remove_all(scratch / "replay");
  node::ShardStores stores;
  std::vector<TimedProjector> timed;
  for (projection::Projector* projector : stores.projectors()) timed.emplace_back(*projector);
  std::vector<projection::Projector*> borrowed;
  for (TimedProjector& projector : timed) borrowed.push_back(&projector);
  const auto projection = empty_projection(scratch / "replay", borrowed);
  const Stopwatch watch;
  (void)must(projection->rebuild(*log));
  const double whole = watch.seconds();
  for (const TimedProjector& projector : timed) {
    report({.name = fmt::format("{}_share_{}", name, projector.name()),
            .value = projector.seconds() / count * 1e6,
            .unit = "us per record",
            .compares_with = "the whole replay",
            .ratio = projector.seconds() / whole});
  }
}

/// Works until it is killed; says when `records` are durable.
[[noreturn]] void work_until_killed(const std::filesystem::path& folder, std::uint64_t records, int tell) {
  ShardUnderTest shard(folder);
  shard.apply_definition(std::string(ten_steps));
  bool reported = false;
  for (std::uint64_t i = 0;; ++i) {
    if (i % 3 == 0) {
      shard.start_instance("ten-steps");
    } else {
      add_member(shard, i);
    }
    if (!reported && i % 256 == 0 && shard.metrics().records >= records) {
      if (::write(tell, "x", 1) != 1) std::_Exit(1);
      reported = true;
    }
  }
}

void measure_restart(const std::filesystem::path& folder, std::uint64_t records) {
  progress("a kernel writes {} records and is killed at work", records);
  int ends[2];
  if (::pipe(ends) != 0) give_up("no pipe");
  const pid_t child = ::fork();
  if (child < 0) give_up("no process");
  if (child == 0) {
    ::close(ends[0]);
    work_until_killed(folder, records, ends[1]);
  }
  ::close(ends[1]);
  char byte = 0;
  const bool worked = ::read(ends[0], &byte, 1) == 1;
  ::close(ends[0]);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  if (!worked) give_up("the kernel that was to be killed ended by itself");

  const auto start = [&](std::string_view name, std::optional<Floor> floor) {
    const Stopwatch watch;
    const ShardUnderTest shard(folder);
    const double seconds = watch.seconds();
    const std::string unit = fmt::format("s to ready, with {} records", shard.metrics().applied_lsn);
    report({.name = name, .value = seconds, .unit = unit, .floor = floor});
    return shard.projection().open_report().kind;
  };
  if (start("restart_after_kill", at_most(5)) != projection::OpenReport::Kind::reused) {
    give_up("the projection of a killed kernel was not taken up again");
  }
  std::filesystem::remove_all(folder / "projection");
  (void)start("restart_without_projection", std::nullopt);
}

/// Runs `work` in a process of its own, whose memory is its alone.
template <typename Work>
void in_another_process(Work work) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) give_up("no process");
  if (child == 0) {
    work();
    std::fflush(nullptr);
    ::_exit(0);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) give_up("a part of the benchmark failed");
}

/// The dispatcher of a start: what it takes into memory where no effect ends.
std::uint64_t effects_in_memory(const std::filesystem::path& folder, const ShardUnderTest& shard) {
  const base::SystemClock clock;
  base::SystemRandom random;
  const auto journal = must(effects::TryJournal::open(folder / "tries", 8192, effects::LastEnd::other));
  effects::DispatcherPorts ports;
  ports.perform = [](const shard::Effect&, auto, auto, const auto&) { return effects::CancelTry(); };
  ports.settle = [](const shard::Effect&, const auto&, const auto&) {
  };  // of one whose time is over; it stays in memory
  ports.park = [](const shard::Effect&, auto, const auto&) { give_up("an effect is parked"); };
  ports.report = [](const std::string& line) { progress("{}", line); };
  effects::EffectDispatcher dispatcher({}, shard.projection(), shard.stores().outbox, *journal, clock, random,
                                       std::move(ports));
  dispatcher.start();
  std::uint64_t held = 0;
  // None where the time of all is over, as after minutes of writing them.
  std::uint64_t before = UINT64_MAX;
  for (int rounds = 0; rounds < 50 && (held == 0 || held != before); ++rounds) {
    before = std::exchange(held, dispatcher.metrics().waiting + dispatcher.metrics().under_way);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  return held;
}

/// A log of HTTP effects, long done or pending, and the memory of a replay of it and of a start with it.
void measure_effects(const std::filesystem::path& folder, std::uint64_t records, std::uint64_t pending) {
  constexpr std::uint64_t records_per_instance = 2 + 2 * internal_steps;
  progress("{} records of instances with {} HTTP effects each", records, internal_steps);
  in_another_process([&] {
    ShardUnderTest shard(folder);
    shard.apply_definition(ten_calls());
    shard.answer_effects_with(http_answer);
    const auto start = [&](std::uint64_t) { shard.start_instance("ten-calls"); };
    const Run run = timed(shard, std::max<std::uint64_t>(1, records / 100), start);
    const double effects = std::max<double>(1, static_cast<double>(records / 100)) * internal_steps;
    report({.name = "http_effect_shard_cpu",
            .value = run.cpu_seconds / effects * 1e6,
            .unit = "us of the shard thread per effect, start and end of the instance included"});
    while (shard.metrics().records < records) {
      (void)timed(shard, std::max<std::uint64_t>(1, records / 10 / records_per_instance), start);
    }
    shard.answer_effects_with({});
    progress("{} effects stay pending", pending);
    (void)timed(shard, pending, start);
  });
  std::filesystem::remove_all(folder / "projection");
  in_another_process([&] {
    std::atomic<bool> done = false;
    double most_anonymous = 0;
    std::thread watcher([&] {
      while (!done) {
        most_anonymous = std::max(most_anonymous, memory_bytes("RssAnon"));
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    });
    const Stopwatch watch;
    std::uint64_t replayed = 0;
    std::uint64_t held = 0;
    double seconds = 0;
    {
      const ShardUnderTest shard(folder);
      seconds = watch.seconds();
      replayed = shard.metrics().applied_lsn;
      held = effects_in_memory(folder, shard);
    }
    done = true;
    watcher.join();
    report({.name = "replay_effects",
            .value = static_cast<double>(replayed) / seconds,
            .unit = fmt::format("records/s, {} records", replayed)});
    report({.name = "replay_effects_memory",
            .value = most_anonymous / 1048576,
            .unit = "MiB of anonymous memory at most during the replay and the start of the effects",
            .floor = at_most(512)});
    report({.name = "start_effects_in_memory",
            .value = static_cast<double>(held),
            .unit = fmt::format("effects, {} are pending", pending),
            .floor = at_most(4096)});
    report({.name = "replay_effects_resident",
            .value = memory_bytes("VmHWM") / 1048576,
            .unit = "MiB resident at most, pages of the log's and the projection's files included",
            .floor = at_most(512)});
  });
}

int run(int argc, char** argv) {
  Sizes sizes;
  std::string only;
  std::filesystem::path parent;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const bool last = i + 1 == argc;
    if (flag == "--full") {
      sizes.restart_records = 1'000'000;
      sizes.effect_records = 2'000'000;
      sizes.pending = 100'000;
    } else if (last) {
      give_up(fmt::format("{} is not a flag, or lacks its value", flag));
    } else if (flag == "--records") {
      sizes.records = sizes.restart_records = sizes.effect_records = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--instances") {
      sizes.instances = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--stored") {
      sizes.stored = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--shards") {
      sizes.shards = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--pending") {
      sizes.pending = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--only") {
      only = argv[++i];
    } else if (flag == "--folder") {
      parent = argv[++i];
    } else {
      give_up(fmt::format("{} is not a flag", flag));
    }
  }
  if (sizes.records == 0 || sizes.instances == 0 || sizes.stored == 0 || sizes.pending == 0)
    give_up("sizes start at 1");
  if (sizes.shards == 0 || sizes.shards > 256) give_up("--shards takes 1 to 256");
  const ScratchFolder scratch("kernel_bench", parent);
  const auto wanted = [&](std::string_view name) { return only.empty() || only == name; };
  // First: it forks, which must not happen beside other threads.
  if (wanted("restart")) measure_restart(scratch.path() / "restart", sizes.restart_records);
  std::filesystem::remove_all(scratch.path() / "restart");
  if (wanted("effects")) measure_effects(scratch.path() / "effects", sizes.effect_records, sizes.pending);
  std::filesystem::remove_all(scratch.path() / "effects");
  const bool replay = wanted("replay");
  if (wanted("command") || replay) measure_commands(scratch.path() / "command", sizes.records);
  if (replay) measure_replay(scratch.path() / "command", "replay_commands", scratch.path());
  if (wanted("shards")) measure_shards(scratch.path() / "shards", sizes.shards, sizes.records);
  if (wanted("workflow") || replay) measure_workflow(scratch.path() / "workflow", sizes.instances);
  if (replay) measure_replay(scratch.path() / "workflow", "replay_workflow", scratch.path());
  if (wanted("disk")) measure_disk(scratch.path() / "disk", sizes.instances / 4 + 1);
  if (wanted("stored")) measure_stored(scratch.path() / "stored", sizes.stored, sizes.instances);
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  return trv::bench::run(argc, argv);
}
