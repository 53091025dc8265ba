// What a tenant's calls of its plugin take while another tenant's plugin attacks the host, beside what they take
// while nobody does. Prints one JSON object per line; see bench/report.hpp.
//
//   attacks_bench [ms of each attack] [an attack alone]

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "bench/isolated_host.hpp"

namespace trv::bench {
namespace {

constexpr useconds_t pause_us = 1'000;
constexpr useconds_t attack_pause_us = 10'000;
constexpr std::uint64_t attack_ms_max = 1'000;  // of one attacking call

/// Calls of one after another, a millisecond apart, for this long.
Spread calls_for(IsolatedHost& host, int time_ms) {
  std::vector<double> times;
  const auto end = Steady::now() + std::chrono::milliseconds(time_ms);
  do {
    times.push_back(host.round_trip("mcp", "acme"));
    ::usleep(pause_us);
  } while (Steady::now() < end);
  return spread_of(std::move(times));
}

/// One tenant whose plugin attacks again after each attack, as long as the host lets it: until it is in quarantine.
/// What spins beside its calls spins on.
class Attacker {
 public:
  Attacker(IsolatedHost& host, std::string_view operation)
      : host_(host),
        tenant_(fmt::format("evil-{}", operation)),
        thread_([this, operation = std::string(operation)](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            if (operation != "spin-aside" || attacks_ == 0) attack(operation);
            ++attacks_;
            ::usleep(attack_pause_us);
          }
        }) {}
  ~Attacker() {
    thread_.request_stop();
    thread_.join();
    static_cast<void>(host_.host().release("tracker", base::TenantId(tenant_)));
    attack("exit");  // what it left running ends
  }
  Attacker(const Attacker&) = delete;
  Attacker& operator=(const Attacker&) = delete;

 private:
  void attack(std::string_view operation) {
    std::binary_semaphore ended{0};
    host_.host().invoke(IsolatedHost::call("tracker", operation, tenant_, attack_ms_max),
                        [&](const plugin_host::CallOutcome&) { ended.release(); });
    ended.acquire();
  }

  IsolatedHost& host_;
  const std::string tenant_;
  std::uint64_t attacks_ = 0;  // of the thread
  std::jthread thread_;
};

int run(int time_ms, std::string_view alone) {
  IsolatedHost host(true);
  if (!host.isolates()) return not_measured;
  if (!host.has_groups()) progress("this host has no control groups: each process is bounded, a tenant is not");
  const std::vector<std::string_view> attacks = {"crash",   "segfault", "exit", "loop",       "spin-aside", "memory",
                                                 "threads", "files",    "fork", "many-files", "garbage",    "log"};
  std::vector<std::string_view> operations = attacks;
  operations.emplace_back("echo");
  host.install("mcp", TRV_TEST_PLUGIN_MCP, {"echo"});
  host.install("tracker", TRV_HOSTILE_PLUGIN, operations);
  host.round_trip("mcp", "acme");
  const Spread calm = calls_for(host, time_ms);
  report({.name = "calls_in_peace_p50", .value = calm.p50, .unit = "us"});
  report({.name = "calls_in_peace_p99", .value = calm.p99, .unit = "us"});
  for (const std::string_view attack : attacks) {
    if (!alone.empty() && attack != alone) continue;
    Spread spread;
    {
      const Attacker attacker(host, attack);
      spread = calls_for(host, time_ms);
    }
    const std::string name = fmt::format("calls_during_{}_p99", attack);
    report({.name = name,
            .value = spread.p99,
            .unit = "us",
            .compares_with = "calls_in_peace_p99",
            .ratio = spread.p99 / calm.p99,
            .floor = ratio_at_most(2)});
  }
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  const int time_ms = argc > 1 ? std::atoi(argv[1]) : 2'000;
  if (time_ms <= 0) trv::bench::give_up("usage: attacks_bench [ms of each attack] [an attack alone]");
  return trv::bench::run(time_ms, argc > 2 ? argv[2] : "");
}
