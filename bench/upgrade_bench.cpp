// What becomes of a tenant's calls while its plugin is upgraded and rolled back, configured anew, and replaced by other
// content of the same version: how many are lost, and how long one takes. Prints one JSON object per line; see
// bench/report.hpp.
//
//   upgrade_bench [calls a second] [seconds]

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bench/isolated_host.hpp"

namespace trv::bench {
namespace {

using namespace std::chrono_literals;

constexpr int tries_max = 100;

/// Calls that are under way and what came of them.
class Calls {
 public:
  explicit Calls(plugin_host::PluginHost& host) : host_(host) {}

  void make(const plugin_host::OperationCall& call) {
    ++made_;
    begin(call, Steady::now(), 1);
  }
  /// Those that were to be made again are, as the dispatcher of effects does.
  void retry() {
    std::vector<Again> due;
    {
      const std::lock_guard lock(mutex_);
      due.swap(again_);
    }
    for (Again& one : due) begin(std::move(one.call), one.start, one.tries + 1);
  }
  [[nodiscard]] bool are_over() const { return ended_ == made_; }
  [[nodiscard]] int made() const { return made_; }
  [[nodiscard]] int lost() const { return lost_ + made_ - ended_; }
  [[nodiscard]] int made_again() const { return made_again_; }
  [[nodiscard]] std::vector<double> times() {
    const std::lock_guard lock(mutex_);
    return times_;
  }

 private:
  struct Again {
    plugin_host::OperationCall call;
    Steady::time_point start;
    int tries = 1;
  };

  void begin(plugin_host::OperationCall call, Steady::time_point start, int tries) {
    auto copy = call;
    host_.invoke(std::move(call),
                 [this, start, tries, copy = std::move(copy)](const plugin_host::CallOutcome& outcome) mutable {
                   const std::lock_guard lock(mutex_);
                   if (!outcome && outcome.error().may_retry && tries < tries_max) {
                     ++made_again_;
                     again_.push_back({std::move(copy), start, tries});
                     return;
                   }
                   if (!outcome) fmt::print(stderr, "lost: {}\n", outcome.error().message);
                   if (!outcome) ++lost_;
                   times_.push_back(microseconds(Steady::now() - start) / 1e3);
                   ++ended_;
                 });
  }

  plugin_host::PluginHost& host_;
  std::mutex mutex_;
  std::vector<Again> again_;
  std::vector<double> times_;
  std::atomic<int> made_ = 0;
  std::atomic<int> ended_ = 0;
  std::atomic<int> lost_ = 0;
  std::atomic<int> made_again_ = 0;
};

int run(int calls_per_second, int seconds) {
  IsolatedHost host;
  if (!host.isolates()) return not_measured;
  constexpr const char* versions[] = {"1.2.3", "2.0.0", "1.3.0-dev"};
  host.install("tracker", TRV_TEST_PLUGIN, {"echo"}, versions[0]);
  host.install("tracker", TRV_TEST_PLUGIN_2, {"echo"}, versions[1]);
  host.install("tracker", TRV_TEST_PLUGIN_DEV, {"echo"}, versions[2]);
  Calls calls(host.host());
  std::atomic<int> switches = 0;
  std::jthread changes([&](const std::stop_token& stop) {
    for (int i = 0; !stop.stop_requested(); ++i) {
      std::this_thread::sleep_for(100ms);
      switches = i;
      // Other content of the version in the making, while it is called.
      if (i % 5 == 4) host.install("tracker", TRV_TEST_PLUGIN_DEV, {"echo"}, versions[2], fmt::format("content {}", i));
    }
  });
  const auto start = Steady::now();
  const int total = calls_per_second * seconds;
  for (int i = 0; i < total; ++i) {
    const int now = switches;
    auto call = IsolatedHost::call("tracker", "echo", "acme");
    call.version = versions[static_cast<std::size_t>(now) % std::size(versions)];
    call.configuration = fmt::format(R"({{"number":{}}})", now / 7);
    calls.make(call);
    calls.retry();
    std::this_thread::sleep_until(start + std::chrono::microseconds(1'000'000LL * (i + 1) / calls_per_second));
  }
  changes = {};
  for (const auto end = Steady::now() + 20s; !calls.are_over() && Steady::now() < end;) {
    calls.retry();
    std::this_thread::sleep_for(1ms);
  }
  const double lasted = microseconds(Steady::now() - start) / 1e6;
  const Spread spread = spread_of(calls.times());
  report({.name = "upgrade_calls", .value = calls.made() / lasted, .unit = "calls/s"});
  report({.name = "upgrade_switches", .value = static_cast<double>(switches), .unit = ""});
  report({.name = "upgrade_calls_made_again", .value = static_cast<double>(calls.made_again()), .unit = ""});
  report({.name = "upgrade_calls_lost", .value = static_cast<double>(calls.lost()), .unit = "", .floor = at_most(0)});
  report({.name = "upgrade_call_p50", .value = spread.p50, .unit = "ms"});
  report({.name = "upgrade_call_p99", .value = spread.p99, .unit = "ms"});
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  const int calls = argc > 1 ? std::atoi(argv[1]) : 1'000;
  const int seconds = argc > 2 ? std::atoi(argv[2]) : 10;
  if (calls <= 0 || seconds <= 0) trv::bench::give_up("usage: upgrade_bench [calls a second] [seconds]");
  return trv::bench::run(calls, seconds);
}
