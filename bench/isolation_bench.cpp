// What a plugin in a process of its own costs: the way of a call there and back, many at once, the start of a process,
// and its memory. Prints one JSON object per line; see bench/report.hpp. Times are of the clock, from the call to its
// answer, with a plugin that answers at once.
//
//   isolation_bench [calls] [processes]

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <semaphore>
#include <string>
#include <vector>

#include "bench/report.hpp"
#include "events/blob/in_memory_blob_store.hpp"
#include "kernel/plugin_host/isolation.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/package/package.hpp"

namespace trv::bench {
namespace {

using Steady = std::chrono::steady_clock;

constexpr int calls_at_once = 256;
constexpr int not_measured = 77;  // as ctest knows it: this host isolates nothing

struct NoConnections final : egress::ConnectionSource, egress::SecretSource {
  base::Result<egress::Connection> find(const base::TenantId&, std::string_view) override {
    return base::fail(base::ErrorCode::not_found, "no such connection");
  }
  base::Result<std::string> reveal(const base::TenantId&, std::string_view) override {
    return base::fail(base::ErrorCode::not_found, "no such secret");
  }
};

double microseconds(Steady::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

struct Spread {
  double p50 = 0;
  double p99 = 0;
};

Spread spread_of(std::vector<double> times) {
  std::ranges::sort(times);
  return {.p50 = times[times.size() / 2], .p99 = times[times.size() * 99 / 100]};
}

plugin_host::OperationCall call_for(const std::string& tenant) {
  return {.tenant = base::TenantId(tenant),
          .plugin = "tracker",
          .version = "1.2.3",
          .operation = "echo",
          .connection = {},
          .idempotency_key = "acme/instance/task/1",
          .attempt = 1,
          .traceparent = {},
          .timeout_ms = 0,
          .input_json = R"({"title":"A thing is broken","labels":["bug"]})"};
}

/// The time of one call whose answer is waited for, in microseconds.
double round_trip(plugin_host::PluginHost& host, const std::string& tenant) {
  std::binary_semaphore answered{0};
  const auto start = Steady::now();
  Steady::time_point end;
  host.invoke(call_for(tenant), [&](const plugin_host::CallOutcome& outcome) {
    end = Steady::now();
    if (!outcome) give_up(outcome.error().message);
    answered.release();
  });
  answered.acquire();
  return microseconds(end - start);
}

double calls_per_second(plugin_host::PluginHost& host, int calls) {
  std::counting_semaphore<calls_at_once> free{calls_at_once};
  std::atomic<int> answered = 0;
  const auto start = Steady::now();
  for (int i = 0; i < calls; ++i) {
    free.acquire();
    host.invoke(call_for("acme"), [&](const plugin_host::CallOutcome& outcome) {
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

int run(int calls, int processes) {
  const base::SystemClock clock;
  NoConnections sources;
  const auto broker = must(egress::Broker::start({}, sources, sources, clock));
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("isolation_bench.{}", clock.now().ns());
  blob::InMemoryBlobStore archives(package::package_bytes_max);
  const auto store = must(plugin_host::PluginStore::open_folder(folder, archives));
  const std::string manifest =
      R"({"manifest":1,"id":"tracker","version":"1.2.3","title":"T","summary":"S","license":"Apache-2.0",)"
      R"("abi":{"major":1,"minor":0},"isolation":"sandboxed","operations":[)"
      R"({"name":"echo","title":"T","idempotent":true,"input":true,"output":true}],)"
      R"("libraries":{"linux-x86_64":{"path":"lib/linux-x86_64/plugin.so"}}})";
  std::vector<package::File> files;
  files.push_back({"lib/linux-x86_64/plugin.so", must(base::read_file(TRV_TEST_PLUGIN, 64'000'000))});
  const auto sent = must(store->put(must(package::assemble(manifest, std::move(files)))));
  const auto installed = must(store->open(sent->package_digest));

  auto started =
      plugin_host::Isolation::start({.program = TRV_PLUGIN_HOST, .folder = folder, .ready_count = 8}, {}, clock);
  if (!started) {
    fmt::print(stderr, "not measured: {}\n", started.error().message());
    std::filesystem::remove_all(folder);
    return not_measured;
  }
  const std::unique_ptr<plugin_host::Isolation> isolation = *std::move(started);
  const auto host = must(plugin_host::PluginHost::start({.isolation = isolation.get()}, *store, *broker, clock, {}));
  const auto before = Steady::now();
  if (const base::Status loaded = host->load(installed); !loaded) give_up(loaded.error().message());
  report({.name = "isolated_load", .value = microseconds(Steady::now() - before) / 1e3, .unit = "ms"});

  round_trip(*host, "acme");
  std::vector<double> times;
  times.reserve(static_cast<std::size_t>(calls));
  for (int i = 0; i < calls; ++i) times.push_back(round_trip(*host, "acme"));
  const Spread calling = spread_of(std::move(times));
  report({.name = "isolated_call_p50", .value = calling.p50, .unit = "us", .floor = at_most(10)});
  report({.name = "isolated_call_p99", .value = calling.p99, .unit = "us"});
  // Where calls are rare, the processors sleep in between.
  times.clear();
  for (int i = 0; i < calls / 20; ++i) {
    ::usleep(1'000);
    times.push_back(round_trip(*host, "acme"));
  }
  report({.name = "isolated_call_each_ms_p50", .value = spread_of(std::move(times)).p50, .unit = "us"});
  report({.name = "isolated_calls_pipelined",
          .value = calls_per_second(*host, calls * 10),
          .unit = "calls/s",
          .floor = at_least(200'000)});

  // The first call of a tenant begins its process; the time until its answer has that in it.
  const auto first_calls = [&](std::string_view name, int count, useconds_t pause_us) {
    std::vector<double> starts;
    for (int i = 0; i < count; ++i) {
      starts.push_back(round_trip(*host, fmt::format("{}-{}", name, i)) / 1e3);
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
  report({.name = "isolated_processes", .value = static_cast<double>(isolation->processes()), .unit = ""});
  if (const double kib = private_kib_each(isolation->processes()); kib > 0) {
    report({.name = "isolated_memory", .value = kib / 1'024, .unit = "MB", .floor = at_most(2)});
  }
  times.clear();
  for (int i = 0; i < processes; ++i) times.push_back(round_trip(*host, fmt::format("ready-{}", i)));
  report({.name = "isolated_call_each_another_process_p50", .value = spread_of(std::move(times)).p50, .unit = "us"});
  if (const auto stopped = host->stop(std::chrono::seconds(10)); !stopped) give_up(stopped.error().message());
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  const int calls = argc > 1 ? std::atoi(argv[1]) : 20'000;
  const int processes = argc > 2 ? std::atoi(argv[2]) : 100;
  if (calls <= 0 || processes <= 0) trv::bench::give_up("usage: isolation_bench [calls] [processes]");
  return trv::bench::run(calls, processes);
}
