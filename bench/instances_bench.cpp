// Many instances at once in one process: a million that wait for a time or listen for an event, running tasks, restart.
//
//   instances_bench [--instances N] [--running N] [--events N] [--folder F] [--full]
//                   [--only waiting|listening|running]
//
// --full has 1,000,000 instances and 100,000 running tasks.

#include <malloc.h>

#include <algorithm>
#include <vector>

#include "bench/memory_use.hpp"
#include "bench/shard_under_test.hpp"
#include "kernel/gateway/receive.hpp"

namespace trv::bench {
namespace {

struct Sizes {
  std::uint64_t instances = 20'000;
  std::uint64_t running = 10'000;
  std::uint64_t events = 2'000;
};

constexpr std::string_view waits = R"(
document: {dsl: 1.0.3, namespace: bench, name: waits, version: 1.0.0}
do:
  - prepare: {set: {order: 4711}}
  - rest: {wait: PT24H}
  - finish: {set: {done: true}}
)";

constexpr std::string_view listens = R"(
document: {dsl: 1.0.3, namespace: bench, name: listens, version: 1.0.0}
do:
  - paid:
      listen:
        to:
          one:
            with: {type: com.example.order.paid}
            correlate:
              order: {from: .data.order, expect: '${ .order }'}
)";

constexpr std::string_view calls = R"(
document: {dsl: 1.0.3, namespace: bench, name: calls, version: 1.0.0}
do:
  - ask: {call: http, with: {method: get, endpoint: "http://127.0.0.1:9/orders/4711"}}
)";

/// With an order of its own.
void start_with_order(ShardUnderTest& shard, const char* name, std::uint64_t order) {
  shard.submit([&shard, name, order](const lmdb::Txn& state,
                                     shard::DecisionContext& context) -> base::Result<shard::Decision> {
    TRV_TRY_ASSIGN(
        auto it,
        instance::start(
            state, context, shard.decision_state(),
            {.space = "bench", .name = name, .version = {}, .input = fmt::format(R"({{"order":"order-{}"}})", order)}));
    return std::move(it.decision);
  });
}

void pay(ShardUnderTest& shard, std::uint64_t order) {
  shard.submit(
      [&shard, order](const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        const ingest::Received event{.id = fmt::format("payment-{}", order),
                                     .source = "https://example.com/bank",
                                     .type = "com.example.order.paid",
                                     .subject = {},
                                     .time = context.now,
                                     .data = fmt::format(R"({{"order":"order-{}","total":42.5}})", order),
                                     .channel = "api"};
        gateway::Receipt receipt;
        instance::DecisionBudget budget;
        auto decision =
            gateway::receive(shard.stores().ingest, shard.decision_state(), state, context, event, receipt, budget);
        if (decision && receipt.heard.size() != 1) give_up("an event was not heard by the one instance that it is for");
        return decision;
      });
}

/// What stays in memory and on the disk of `count` pieces of work.
class Growth {
 public:
  Growth(const ShardUnderTest& shard, const std::filesystem::path& folder, double count)
      : shard_(shard), folder_(folder), count_(count), before_(now()) {}

  void report_as(const std::string& name, std::string_view what) const {
    const Use after = now();
    // Memory of the work itself that is given back meanwhile can outweigh what stays.
    const auto each = [&](double Use::* field) { return std::max(0.0, after.*field - before_.*field) / count_; };
    report({.name = name + "_memory",
            .value = each(&Use::anonymous),
            .unit = fmt::format("bytes of anonymous memory each, {} {}", count_, what),
            .floor = at_most(1'024)});
    report({.name = name + "_resident",
            .value = each(&Use::resident),
            .unit = "bytes each, pages of the log's and the projection's files included"});
    report({.name = name + "_projection",
            .value = each(&Use::projection),
            .unit = "bytes of the projection's file each, audit and timeline included"});
    report({.name = name + "_log", .value = each(&Use::log), .unit = "bytes of the log's file each"});
  }

 private:
  struct Use {
    double anonymous = 0;
    double resident = 0;
    double projection = 0;
    double log = 0;
  };
  [[nodiscard]] Use now() const {
    ::malloc_trim(0);
    return {memory_bytes("RssAnon"), memory_bytes("VmRSS"),
            static_cast<double>(must(shard_.projection().stats()).used_bytes),
            static_cast<double>(std::filesystem::file_size(folder_ / "log" / "data.mdb"))};
  }

  const ShardUnderTest& shard_;
  std::filesystem::path folder_;
  double count_;
  Use before_;
};

/// From opening the log to a shard that takes commands, with what the last one left.
void measure_restart(const std::filesystem::path& folder, const std::string& name) {
  const Stopwatch watch;
  const ShardUnderTest shard(folder);
  report({.name = name + "_restart",
          .value = watch.seconds(),
          .unit = fmt::format("s to ready, with {} records", shard.metrics().applied_lsn),
          .floor = at_most(5)});
}

/// Queues, arenas and free pages have their size after so many.
std::uint64_t warm_up(std::uint64_t count) {
  return std::min<std::uint64_t>(count, 50'000);
}

void measure_waiting(const std::filesystem::path& folder, std::uint64_t instances) {
  {
    ShardUnderTest shard(folder);
    shard.apply_definition(std::string(waits));
    const auto start = [&](std::uint64_t) { shard.start_instance("waits"); };
    (void)timed(shard, warm_up(instances), start);
    progress("{} instances that wait for a day", instances);
    const Growth growth(shard, folder, static_cast<double>(instances));
    (void)timed(shard, instances, start);
    growth.report_as("waiting_instance", "wait");
  }
  measure_restart(folder, "waiting_instances");
}

void measure_listening(const std::filesystem::path& folder, std::uint64_t instances, std::uint64_t events) {
  const std::uint64_t first = warm_up(instances);
  events = std::min(events, instances);
  {
    ShardUnderTest shard(folder);
    shard.apply_definition(std::string(listens));
    const auto start = [&](std::uint64_t order) { start_with_order(shard, "listens", order); };
    (void)timed(shard, first, start);
    const auto cpu_of_event = [&](std::uint64_t begin, std::uint64_t count) {
      // All over the table, and each but once.
      const Run run = timed(shard, events, [&](std::uint64_t i) { pay(shard, begin + i * (count / events)); });
      return run.cpu_seconds / static_cast<double>(events) * 1e6;
    };
    const double among_few = cpu_of_event(0, events);
    progress("{} instances that listen, each for an order of its own", instances);
    const Growth growth(shard, folder, static_cast<double>(instances));
    (void)timed(shard, instances, [&](std::uint64_t i) { start(first + i); });
    growth.report_as("listening_instance", "listen");
    const double among_all = cpu_of_event(first, instances);
    report(
        {.name = "event_heard_cpu",
         .value = among_all,
         .unit = fmt::format("us of the shard thread per event that ends one of {} instances that listen", instances),
         .compares_with = fmt::format("{:.1f} us among {}", among_few, first),
         .ratio = among_all / among_few,
         .floor = at_most(100)});
  }
  measure_restart(folder, "listening_instances");
}

void measure_running(const std::filesystem::path& folder, std::uint64_t tasks) {
  std::vector<shard::Effect> running;
  running.reserve(tasks);
  ShardUnderTest shard(folder);
  shard.hand_effects_to([&](shard::EffectChanges changes) {
    for (shard::Effect& effect : changes.requested) running.push_back(std::move(effect));
  });
  shard.apply_definition(std::string(calls));
  progress("{} instances with a call under way, which are answered then", tasks);
  const Growth growth(shard, folder, static_cast<double>(tasks));
  const Run asked = timed(shard, tasks, [&](std::uint64_t) { shard.start_instance("calls"); });
  growth.report_as("running_task", "run");
  if (running.size() != tasks) give_up("not every instance made its call");
  std::vector<shard::Effect> under_way = std::exchange(running, {});
  shard.answer_effects_with(R"({"order":4711,"total":42.5})");
  const Run answered = timed(shard, tasks, [&](std::uint64_t i) { shard.settle(under_way[i]); });
  const auto each = [&](const Run& run) { return run.cpu_seconds / static_cast<double>(tasks) * 1e6; };
  report({.name = "running_task_asked_cpu", .value = each(asked), .unit = "us of the shard thread per task begun"});
  report({.name = "running_task_answered_cpu",
          .value = each(answered),
          .unit = fmt::format("us of the shard thread per task that ends, first of {} under way", tasks)});
}

int run(int argc, char** argv) {
  Sizes sizes;
  std::string only;
  std::filesystem::path parent;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--full") {
      sizes = {.instances = 1'000'000, .running = 100'000, .events = 10'000};
    } else if (i + 1 == argc) {
      give_up(fmt::format("{} is not a flag, or lacks its value", flag));
    } else if (flag == "--instances") {
      sizes.instances = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--running") {
      sizes.running = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--events") {
      sizes.events = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--only") {
      only = argv[++i];
    } else if (flag == "--folder") {
      parent = argv[++i];
    } else {
      give_up(fmt::format("{} is not a flag", flag));
    }
  }
  if (sizes.instances == 0 || sizes.running == 0 || sizes.events == 0) give_up("sizes start at 1");
  const ScratchFolder scratch("instances_bench", parent);
  const auto measure = [&](std::string_view name, auto how) {
    if (!only.empty() && only != name) return;
    how(scratch.path() / name);
    std::filesystem::remove_all(scratch.path() / name);
  };
  measure("waiting", [&](const auto& folder) { measure_waiting(folder, sizes.instances); });
  measure("listening", [&](const auto& folder) { measure_listening(folder, sizes.instances, sizes.events); });
  measure("running", [&](const auto& folder) { measure_running(folder, sizes.running); });
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  return trv::bench::run(argc, argv);
}
