// HTTP effects end to end in one process: shard, dispatcher and egress broker as the daemon composes them, and a server
// on loopback that answers fixed bytes. What one effect costs each thread and the disk, how many are done in a second,
// and how long one takes at half of that.
//
//   effects_bench [--instances N] [--seconds N] [--folder F]
//
// --instances N: of ten calls each. --seconds N: at half load.

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <thread>
#include <unordered_map>
#include <vector>

#include "bench/bare_server.hpp"
#include "bench/disk_use.hpp"
#include "bench/shard_under_test.hpp"
#include "kernel/effects/outcome_recorder.hpp"
#include "kernel/effects/performers.hpp"
#include "kernel/egress/broker.hpp"

namespace trv::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::uint64_t calls_of_instance = 10;
/// Instances under way at saturation: more calls than the egress sends at once to one host.
constexpr std::uint64_t instances_at_once = 256;
constexpr const char* fixed_answer =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 38\r\n"
    "Date: Mon, 05 Jan 2026 10:00:00 GMT\r\n\r\n{\"order\": 4711,\"state\":\"in delivery\"}\n";

std::string workflow_of(std::string_view name, std::uint64_t calls, std::uint16_t port) {
  std::string text = fmt::format("document: {{dsl: 1.0.3, namespace: bench, name: {}, version: 1.0.0}}\ndo:\n", name);
  for (std::uint64_t i = 0; i < calls; ++i) {
    text += fmt::format(
        "  - call{0}: {{call: http, with: {{method: get, endpoint: 'http://127.0.0.1:{1}/orders/{0}'}}}}\n", i, port);
  }
  return text;
}

class NoConnections final : public egress::ConnectionSource {
 public:
  base::Result<egress::Connection> find(const base::TenantId&, std::string_view) override {
    return base::fail(base::ErrorCode::not_found, "no connection");
  }
};
class NoSecrets final : public egress::SecretSource {
 public:
  base::Result<std::string> reveal(const base::TenantId&, std::string_view) override {
    return base::fail(base::ErrorCode::not_found, "no secret");
  }
};

/// Processor time of a thread, read from another one.
class ThreadClock {
 public:
  /// On the thread itself.
  void note() {
    if (clock_.load(std::memory_order_relaxed) != 0) return;
    clockid_t clock{};
    if (::pthread_getcpuclockid(::pthread_self(), &clock) != 0) give_up("no processor time of a thread");
    clock_ = clock;
  }
  [[nodiscard]] double seconds() const { return clock_ == 0 ? 0 : cpu_seconds(clock_); }

 private:
  std::atomic<clockid_t> clock_{0};
};

/// When an instance of one call passed each of its stations.
enum Station : std::size_t { due, durable, tried, answered, recorded, stations };
using Passed = std::array<SteadyClock::time_point, stations>;
/// Instances under way that are watched, and those that have ended. Any thread.
class Watched {
 public:
  void begin(const std::string& instance, SteadyClock::time_point due_at) {
    const std::scoped_lock lock(mutex_);
    under_way_[instance][due] = due_at;
  }
  void pass(const std::string& instance, Station station) {
    const std::scoped_lock lock(mutex_);
    const auto at = under_way_.find(instance);
    if (at == under_way_.end()) return;
    at->second[station] = SteadyClock::now();
    if (station != recorded) return;
    ended_.push_back(at->second);
    under_way_.erase(at);
  }
  [[nodiscard]] std::vector<Passed> take_ended() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(ended_, {});
  }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, Passed> under_way_;
  std::vector<Passed> ended_;
};

/// Shard, dispatcher and broker, and what their threads have used.
class EffectsUnderTest {
 public:
  explicit EffectsUnderTest(const std::filesystem::path& folder)
      : shard_(folder), recorder_(shard_.decision_state(), [this](shard::Command command) {
          shard_.submit_outcome(std::move(command));
        }) {
    egress::BrokerConfiguration configuration;
    configuration.allow_private_network = true;
    broker_ = must(egress::Broker::start(configuration, connections_, secrets_, clock_));
    calls_ = std::make_unique<effects::HttpCalls>(*broker_, connections_, secrets_, clock_);
    journal_ = must(effects::TryJournal::open(folder / "tries", 8192, effects::LastEnd::other));
    effects::DispatcherPorts ports;
    ports.perform = [this](const shard::Effect& effect, std::uint32_t number, base::Duration left,
                           effects::TryDone done) {
      dispatcher_clock_.note();
      watched_.pass(effect.owner, tried);
      return calls_->perform(effect, number, left, [this, done, owner = effect.owner](auto result) {
        broker_clock_.note();
        watched_.pass(owner, answered);
        if (!result.outcome.ok) give_up(result.outcome.message);
        done(std::move(result));
      });
    };
    ports.settle = [this](const shard::Effect& effect, std::shared_ptr<const shard::Outcome> outcome, auto done) {
      recorder_.settle(effect, std::move(outcome),
                       [this, owner = effect.owner, done = std::move(done)](const base::Status& status) {
                         if (status) count(owner);
                         done(status);
                       });
    };
    ports.park = [](const shard::Effect&, std::uint32_t, const auto&) { give_up("an effect is parked"); };
    ports.report = [](const std::string& line) { progress("{}", line); };
    dispatcher_ = std::make_unique<effects::EffectDispatcher>(effects::DispatcherOptions{}, shard_.projection(),
                                                              shard_.stores().outbox, *journal_, clock_, random_,
                                                              std::move(ports));
    shard_.hand_effects_to([this](shard::EffectChanges changes) {
      shard_clock_.note();
      for (const shard::Effect& effect : changes.requested) watched_.pass(effect.owner, durable);
      dispatcher_->dispatch(std::move(changes));
    });
    dispatcher_->start();
    shard_.apply_definition(workflow_of("ten-calls", calls_of_instance, server_.port()));
    shard_.apply_definition(workflow_of("one-call", 1, server_.port()));
  }
  ~EffectsUnderTest() {
    dispatcher_->stop();
    broker_->stop();
  }
  EffectsUnderTest(const EffectsUnderTest&) = delete;
  EffectsUnderTest& operator=(const EffectsUnderTest&) = delete;

  [[nodiscard]] ShardUnderTest& shard() { return shard_; }
  [[nodiscard]] std::uint64_t done() const { return done_.load(std::memory_order_acquire); }
  [[nodiscard]] double shard_seconds() const { return shard_clock_.seconds(); }
  [[nodiscard]] double dispatcher_seconds() const { return dispatcher_clock_.seconds(); }
  [[nodiscard]] double broker_seconds() const { return broker_clock_.seconds(); }
  [[nodiscard]] std::uint64_t connections_opened() const { return broker_->metrics().connections_opened; }

  void wait_for(std::uint64_t done_then) const {
    while (done() < done_then) std::this_thread::sleep_for(std::chrono::microseconds(500));
  }

  /// Starts instances of `calls` calls each, so many at once, until `count` have ended.
  void run(const char* workflow, std::uint64_t calls, std::uint64_t count) {
    const std::uint64_t before = done();
    for (std::uint64_t i = 0; i < count; ++i) {
      if (i >= instances_at_once) wait_for(before + (i - instances_at_once) * calls);
      shard_.start_instance(workflow);
    }
    wait_for(before + count * calls);
  }

  /// Starts instances of one call by the clock.
  std::vector<Passed> run_by_the_clock(double per_second, std::uint64_t count) {
    const std::uint64_t before = done();
    const auto began = SteadyClock::now();
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto due_at = began + std::chrono::duration_cast<SteadyClock::duration>(
                                      std::chrono::duration<double>(static_cast<double>(i) / per_second));
      std::this_thread::sleep_until(due_at);
      shard_.start_instance("one-call", [this, due_at](const std::string& id) { watched_.begin(id, due_at); });
    }
    wait_for(before + count);
    shard_.drain();
    return watched_.take_ended();
  }

 private:
  void count(const std::string& instance) {
    watched_.pass(instance, recorded);
    done_.fetch_add(1, std::memory_order_release);
  }

  base::SystemClock clock_;
  base::SystemRandom random_;
  NoConnections connections_;
  NoSecrets secrets_;
  BareServer server_{fixed_answer};
  ThreadClock shard_clock_;
  ThreadClock dispatcher_clock_;
  ThreadClock broker_clock_;
  std::atomic<std::uint64_t> done_{0};
  Watched watched_;
  std::unique_ptr<effects::HttpCalls> calls_;
  std::unique_ptr<egress::Broker> broker_;
  std::unique_ptr<effects::TryJournal> journal_;
  std::unique_ptr<effects::EffectDispatcher> dispatcher_;
  ShardUnderTest shard_;
  effects::OutcomeRecorder recorder_;
};

void report_cpu(std::string_view name, std::string_view unit, double seconds, double effects,
                std::optional<Floor> floor = std::nullopt) {
  report({.name = name, .value = seconds / effects * 1e6, .unit = unit, .floor = floor});
}

/// What the disk itself does meanwhile: a small write and its fsync, again and again beside the work.
class BareDisk {
 public:
  explicit BareDisk(const std::filesystem::path& folder)
      : file_(::open((folder / "bare").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {
    if (file_ < 0) give_up("no file for bare writes");
    thread_ = std::thread([this] { run(); });
  }
  ~BareDisk() {
    (void)stop();
    ::close(file_);
  }
  BareDisk(const BareDisk&) = delete;
  BareDisk& operator=(const BareDisk&) = delete;

  /// ms of each, in order of length.
  [[nodiscard]] std::vector<double> stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    std::ranges::sort(took_ms_);
    return took_ms_;
  }

 private:
  void run() {
    const std::string bytes(16'384, 'b');
    off_t at = 0;
    while (!stopping_) {
      const Stopwatch watch;
      const bool written = ::pwrite(file_, bytes.data(), bytes.size(), at) == static_cast<ssize_t>(bytes.size());
      if (!written || ::fdatasync(file_) != 0) give_up("a bare write failed");
      took_ms_.push_back(watch.seconds() * 1e3);
      at += static_cast<off_t>(bytes.size());
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  int file_;
  std::atomic<bool> stopping_{false};
  std::vector<double> took_ms_;
  std::thread thread_;
};

/// The fewest effects of a second that were done in a tenth of a second, against the average.
class RateWatch {
 public:
  explicit RateWatch(const EffectsUnderTest& of) : of_(of), thread_([this] { run(); }) {}
  ~RateWatch() { stop(); }
  RateWatch(const RateWatch&) = delete;
  RateWatch& operator=(const RateWatch&) = delete;

  /// Effects a second in the slowest whole second; 0 where there was none.
  double stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
    return slowest_ == UINT64_MAX ? 0 : static_cast<double>(slowest_);
  }

 private:
  void run() {
    std::vector<std::uint64_t> seen;
    for (auto next = SteadyClock::now(); !stopping_; next += std::chrono::milliseconds(100)) {
      std::this_thread::sleep_until(next);
      seen.push_back(of_.done());
      if (seen.size() > 10) slowest_ = std::min(slowest_, seen.back() - seen[seen.size() - 11]);
    }
  }

  const EffectsUnderTest& of_;
  std::atomic<bool> stopping_{false};
  std::uint64_t slowest_ = UINT64_MAX;
  std::thread thread_;
};

void measure_saturated(EffectsUnderTest& effects, const std::filesystem::path& folder, std::uint64_t instances) {
  progress("{} instances of {} HTTP calls each", instances, calls_of_instance);
  effects.run("ten-calls", calls_of_instance, std::max<std::uint64_t>(1, instances / 5));
  const DiskUse disk_before = DiskUse::of(effects.shard(), folder);
  const shard::ShardMetrics before = effects.shard().metrics();
  const double shard = effects.shard_seconds();
  const double broker = effects.broker_seconds();
  const double dispatcher = effects.dispatcher_seconds();
  const Stopwatch watch;
  RateWatch rates(effects);
  effects.run("ten-calls", calls_of_instance, instances);
  const double seconds = watch.seconds();
  const double slowest = rates.stop();
  const double shard_used = effects.shard_seconds() - shard;
  const double broker_used = effects.broker_seconds() - broker;
  const double dispatcher_used = effects.dispatcher_seconds() - dispatcher;
  const auto count = static_cast<double>(instances * calls_of_instance);
  const double rate = count / seconds;
  report({.name = "http_effect_rate", .value = rate, .unit = "effects/s"});
  if (slowest > 0) {
    report({.name = "http_effect_slowest_second",
            .value = slowest,
            .unit = "effects/s",
            .compares_with = "the average",
            .ratio = slowest / rate,
            .floor = ratio_at_least(0.5)});
  }
  report_cpu("http_effect_cpu_shard", "us of the shard's thread per effect, its part of start and end included",
             shard_used, count, at_most(25));
  report_cpu("http_effect_cpu_egress", "us of the broker's thread per effect", broker_used, count);
  report_cpu("http_effect_cpu_dispatcher", "us of the dispatcher's thread per effect", dispatcher_used, count);
  report_cpu("http_effect_cpu", "us of the three threads per effect", shard_used + broker_used + dispatcher_used, count,
             at_most(60));
  const shard::ShardMetrics after = effects.shard().metrics();
  report({.name = "http_effect_batch",
          .value = static_cast<double>(after.commands - before.commands) /
                   static_cast<double>(after.batches - before.batches),
          .unit = "starts and outcomes in a batch of the shard"});
  report({.name = "http_effect_connections",
          .value = static_cast<double>(effects.connections_opened()),
          .unit = "connections to the server opened in all"});
  effects.shard().drain();
  report_disk_use("http_effect_bytes", disk_before, DiskUse::of(effects.shard(), folder), count, 3'000);
}

/// Of instances of one call, whose starts and ends cost the shard as much as their calls.
void measure_half_load(EffectsUnderTest& effects, const std::filesystem::path& folder, std::uint64_t instances,
                       std::uint64_t seconds) {
  progress("{} instances of one HTTP call each", instances);
  const Stopwatch watch;
  effects.run("one-call", 1, instances);
  const double rate = static_cast<double>(instances) / watch.seconds();
  report({.name = "http_effect_rate_one_call", .value = rate, .unit = "instances of one call a second"});
  const double per_second = std::max(2.0, rate / 2);
  const auto count = static_cast<std::uint64_t>(per_second) * seconds;
  progress("{} instances of one HTTP call each, {:.0f} a second", count, per_second);
  (void)effects.run_by_the_clock(per_second, std::max<std::uint64_t>(1, count / seconds));
  BareDisk disk(folder);
  const std::vector<Passed> passed = effects.run_by_the_clock(per_second, count);
  const std::vector<double> disk_ms = disk.stop();
  if (passed.size() != count) give_up("an instance did not end");
  std::vector<double> took;
  const auto measure = [&](Station from, Station to) {
    took.clear();
    for (const Passed& one : passed) {
      took.push_back(std::chrono::duration<double, std::milli>(one[to] - one[from]).count());
    }
    std::ranges::sort(took);
  };
  const auto at = [&took](std::size_t percent) { return took[(took.size() - 1) * percent / 100]; };
  // Where the slow ones lose their time.
  const auto part = [&](const char* name, const char* what, Station from, Station to) {
    measure(from, to);
    report({.name = fmt::format("http_effect_p99_half_load_{}", name), .value = at(99), .unit = what});
  };
  part("start", "ms from when a start was due to its effect durable", due, durable);
  part("dispatcher", "ms from there to the try", durable, tried);
  part("egress", "ms of the try", tried, answered);
  part("outcome", "ms from there to the outcome durable", answered, recorded);
  measure(due, recorded);
  const std::string unit = fmt::format("ms from when a start was due to its outcome durable, {:.0f}/s", per_second);
  report({.name = "http_effect_p50_half_load", .value = at(50), .unit = unit});
  const double disk_p99 = disk_ms[(disk_ms.size() - 1) * 99 / 100];
  report({.name = "disk_fsync_p99", .value = disk_p99, .unit = "ms of a bare write of 16 KiB and its fsync meanwhile"});
  // An effect waits for two fsyncs, one after the other, and for what came while they lasted.
  report({.name = "http_effect_p99_half_load",
          .value = at(99),
          .unit = unit,
          .compares_with = "a bare write and fsync",
          .ratio = at(99) / disk_p99,
          .floor = ratio_at_most(6)});
  report({.name = "http_effect_longest_half_load", .value = took.back(), .unit = unit});
}

int run(int argc, char** argv) {
  std::uint64_t instances = 3'000;
  std::uint64_t seconds = 5;
  std::filesystem::path parent;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (i + 1 == argc) {
      give_up(fmt::format("{} is not a flag, or lacks its value", flag));
    } else if (flag == "--instances") {
      instances = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--seconds") {
      seconds = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--folder") {
      parent = argv[++i];
    } else {
      give_up(fmt::format("{} is not a flag", flag));
    }
  }
  if (instances == 0 || seconds == 0) give_up("sizes start at 1");
  const ScratchFolder scratch("effects_bench", parent);
  EffectsUnderTest effects(scratch.path());
  measure_saturated(effects, scratch.path(), instances);
  measure_half_load(effects, scratch.path(), instances * 5, seconds);
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  return trv::bench::run(argc, argv);
}
