// What a plugin in a process of its own costs: the way of a call there and back, many at once, the start of a process,
// and its memory. Prints one JSON object per line; see bench/report.hpp. Times are of the clock, from the call to its
// answer, with a plugin that answers at once.
//
//   isolation_bench [calls] [processes] [tenants]

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <semaphore>
#include <string>
#include <vector>

#include "bench/isolated_host.hpp"

namespace trv::bench {
namespace {

constexpr int calls_at_once = 256;

double calls_per_second(IsolatedHost& host, int calls) {
  std::counting_semaphore<calls_at_once> free{calls_at_once};
  std::atomic<int> answered = 0;
  const auto start = Steady::now();
  for (int i = 0; i < calls; ++i) {
    free.acquire();
    host.host().invoke(IsolatedHost::call("tracker", "echo", "acme"), [&](const plugin_host::CallOutcome& outcome) {
      if (!outcome) give_up(outcome.error().message);
      ++answered;
      free.release();
    });
  }
  for (int i = 0; i < calls_at_once; ++i) free.acquire();
  TRV_ASSERT(answered == calls);
  return calls / std::chrono::duration<double>(Steady::now() - start).count();
}

/// Memory that only the processes called trav-plugin-host have, in KiB for each of `processes`; the zygote and those
/// that are kept ready are not among them.
double private_kib_each(std::size_t processes) {
  std::vector<double> sizes;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream name(entry.path() / "comm");
    std::string command;
    if (!std::getline(name, command) || command != "trav-plugin-hos") continue;
    std::ifstream rollup(entry.path() / "smaps_rollup");
    double kib = 0;
    for (std::string line; std::getline(rollup, line);) {
      if (line.starts_with("Private_Clean:") || line.starts_with("Private_Dirty:")) {
        kib += std::atof(line.c_str() + line.find(':') + 1);
      }
    }
    if (kib > 0) sizes.push_back(kib);
  }
  std::ranges::sort(sizes, std::greater<>());
  if (sizes.size() < processes) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < processes; ++i) sum += sizes[i];
  return sum / static_cast<double>(processes);
}

/// 3 plugins of each of `tenants`, and what they cost while nothing is asked of them.
void measure_resident(IsolatedHost& host, int tenants) {
  const auto start = Steady::now();
  for (int i = 0; i < tenants; ++i) {
    for (const char* plugin : {"tracker", "mcp", "somebody"}) {
      host.round_trip(plugin, fmt::format("resident-{}", i));
    }
  }
  const double began = microseconds(Steady::now() - start) / 1e6;
  report({.name = "isolated_resident_processes", .value = static_cast<double>(host.processes()), .unit = ""});
  report({.name = "isolated_resident_begun", .value = began, .unit = "s"});
  const double cpu = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
  ::sleep(2);
  report({.name = "isolated_resident_idle",
          .value = (cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 2 * 100,
          .unit = "% of a processor, in travd's part"});
  std::vector<double> times;
  for (int i = 0; i < tenants; ++i) times.push_back(host.round_trip("mcp", fmt::format("resident-{}", i)));
  const Spread spread = spread_of(std::move(times));
  report({.name = "isolated_resident_call_p50", .value = spread.p50, .unit = "us"});
  report({.name = "isolated_resident_call_p99", .value = spread.p99, .unit = "us"});
}

int run(int calls, int processes, int tenants) {
  const auto before_zygote = Steady::now();
  IsolatedHost host;
  if (!host.isolates()) return not_measured;
  const auto before = Steady::now();
  host.install("tracker", TRV_TEST_PLUGIN, {"echo"});
  report({.name = "isolated_load", .value = microseconds(Steady::now() - before) / 1e3, .unit = "ms"});
  report({.name = "isolated_load_with_the_zygote",
          .value = microseconds(Steady::now() - before_zygote) / 1e3,
          .unit = "ms"});
  const auto round_trip = [&](std::string_view tenant) { return host.round_trip("tracker", tenant); };

  round_trip("acme");
  std::vector<double> times;
  times.reserve(static_cast<std::size_t>(calls));
  for (int i = 0; i < calls; ++i) times.push_back(round_trip("acme"));
  const Spread calling = spread_of(std::move(times));
  report({.name = "isolated_call_p50", .value = calling.p50, .unit = "us", .floor = at_most(10)});
  report({.name = "isolated_call_p99", .value = calling.p99, .unit = "us"});
  // Where calls are rare, the processors sleep in between.
  times.clear();
  for (int i = 0; i < calls / 20; ++i) {
    ::usleep(1'000);
    times.push_back(round_trip("acme"));
  }
  report({.name = "isolated_call_each_ms_p50", .value = spread_of(std::move(times)).p50, .unit = "us"});
  report({.name = "isolated_calls_pipelined",
          .value = calls_per_second(host, calls * 10),
          .unit = "calls/s",
          .floor = at_least(200'000)});

  // The first call of a tenant begins its process; the time until its answer has that in it.
  const auto first_calls = [&](std::string_view name, int count, useconds_t pause_us) {
    std::vector<double> starts;
    for (int i = 0; i < count; ++i) {
      starts.push_back(round_trip(fmt::format("{}-{}", name, i)) / 1e3);
      ::usleep(pause_us);
    }
    const Spread spread = spread_of(std::move(starts));
    report({.name = fmt::format("isolated_first_call_{}_p50", name),
            .value = spread.p50,
            .unit = "ms",
            .floor = at_most(0.2)});
    report({.name = fmt::format("isolated_first_call_{}_p99", name),
            .value = spread.p99,
            .unit = "ms",
            .floor = at_most(5)});
  };
  first_calls("ready", processes, 20'000);
  first_calls("one_after_another", processes, 0);  // faster than the zygote makes them ready
  report({.name = "isolated_processes", .value = static_cast<double>(host.processes()), .unit = ""});
  if (const double kib = private_kib_each(host.processes()); kib > 0) {
    report({.name = "isolated_memory", .value = kib / 1'024, .unit = "MB", .floor = at_most(2)});
  }
  times.clear();
  for (int i = 0; i < processes; ++i) times.push_back(round_trip(fmt::format("ready-{}", i)));
  report({.name = "isolated_call_each_another_process_p50", .value = spread_of(std::move(times)).p50, .unit = "us"});
  host.install("mcp", TRV_TEST_PLUGIN_MCP, {"echo"});
  host.install("somebody", TRV_TEST_PLUGIN_OTHER, {"echo"});
  measure_resident(host, tenants);
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  const int calls = argc > 1 ? std::atoi(argv[1]) : 20'000;
  const int processes = argc > 2 ? std::atoi(argv[2]) : 100;
  const int tenants = argc > 3 ? std::atoi(argv[3]) : 200;
  if (calls <= 0 || processes <= 0 || tenants <= 0) {
    trv::bench::give_up("usage: isolation_bench [calls] [processes] [tenants]");
  }
  return trv::bench::run(calls, processes, tenants);
}
