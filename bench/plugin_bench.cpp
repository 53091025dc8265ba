// What the host adds to a call of a plugin that answers at once. Prints one JSON object per line; see bench/report.hpp.
// Calls are measured in processor time of this thread, the best of several rounds; the same call made straight through
// the C ABI is taken off.
//
//   plugin_bench [calls]

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "bench/report.hpp"
#include "events/blob/in_memory_blob_store.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/plugin_host/in_process_instance.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "sdk/abi/ext/call.h"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/package/package.hpp"

namespace trv::bench {
namespace {

constexpr int rounds = 5;
constexpr double overhead_ns_max = 1'000;

double cpu_ns() {
  timespec time{};
  TRV_ASSERT(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

/// The least processor time of one call, in nanoseconds.
template <typename Call>
double measure(int calls, Call call) {
  double best = 1e18;
  for (int round = 0; round < rounds; ++round) {
    const double start = cpu_ns();
    for (int i = 0; i < calls; ++i) call();
    best = std::min(best, (cpu_ns() - start) / calls);
  }
  return best;
}

/// A host that does nothing but take the answer.
struct BareHost {
  trv_host host{};
  trv_host_call call{};
  std::uint64_t answered = 0;

  BareHost() {
    call = {sizeof call,
            [](const trv_host* h, std::uint64_t, trv_bytes) { ++static_cast<BareHost*>(h->context)->answered; },
            [](const trv_host*, std::uint64_t, const trv_error*) {}};
    host = {sizeof host,
            TRV_ABI_MAJOR,
            TRV_ABI_MINOR,
            this,
            [](const trv_host* h, const char* id) -> const void* {
              return std::strstr(id, "unknown") == nullptr ? &static_cast<BareHost*>(h->context)->call : nullptr;
            },
            [](const trv_host*, const trv_error*) {}};
  }
};

struct NoConnections final : egress::ConnectionSource, egress::SecretSource {
  base::Result<egress::Connection> find(const base::TenantId&, std::string_view) override {
    return base::fail(base::ErrorCode::not_found, "no such connection");
  }
  base::Result<std::string> reveal(const base::TenantId&, std::string_view) override {
    return base::fail(base::ErrorCode::not_found, "no such secret");
  }
};

constexpr std::string_view input = R"({"title":"A thing is broken","labels":["bug"]})";

double bare_call(const std::shared_ptr<plugin_host::PluginLibrary>& library, int calls) {
  BareHost bare;
  const trv_plugin* plugin = library->factory().create(&bare.host, {"tracker", 7});
  TRV_ASSERT(plugin != nullptr && plugin->activate(plugin, {}) == 0);
  std::uint64_t id = 0;
  const double ns = measure(calls, [&] {
    const trv_call call = {.struct_size = sizeof(trv_call),
                           .attempt = 1,
                           .call_id = ++id,
                           .operation = {"echo", 4},
                           .tenant = {"acme", 4},
                           .connection = {},
                           .idempotency_key = {},
                           .traceparent = {},
                           .timeout_ms = 30'000,
                           .input = {reinterpret_cast<const std::uint8_t*>(input.data()), input.size()}};
    plugin->invoke(plugin, &call);
  });
  TRV_ASSERT(bare.answered == id);
  plugin->deactivate(plugin);
  plugin->destroy(plugin);
  return ns;
}

int run(int calls) {
  const base::SystemClock clock;
  NoConnections sources;
  const auto broker = must(egress::Broker::start({}, sources, sources, clock));
  const auto threads = must(plugin_host::PluginThreads::start(1, clock));
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("plugin_bench.{}", clock.now().ns());
  blob::InMemoryBlobStore archives(package::package_bytes_max);
  const auto store = must(plugin_host::PluginStore::open_folder(folder, archives));

  constexpr std::string_view manifest =
      R"({"manifest":1,"id":"tracker","version":"1.2.3","title":"T","summary":"S","license":"Apache-2.0",)"
      R"("abi":{"major":1,"minor":0},"isolation":"in-process","operations":[)"
      R"({"name":"echo","title":"T","idempotent":true,"input":true,"output":true}],)"
      R"("libraries":{"linux-x86_64":{"path":"lib/linux-x86_64/plugin.so"}}})";
  std::vector<package::File> files;
  files.push_back({"lib/linux-x86_64/plugin.so", must(base::read_file(TRV_TEST_PLUGIN, 64'000'000))});
  const auto sent = must(store->put(must(package::assemble(manifest, std::move(files)))));
  const auto installed = must(store->open(sent->package_digest));

  const auto library = must(plugin_host::PluginLibrary::load(installed.library, "tracker", "1.2.3"));
  const double bare = bare_call(library, calls);
  report({.name = "plugin_call_bare", .value = bare, .unit = "ns"});

  std::uint64_t answered = 0;
  const auto take = [&answered](plugin_host::CallOutcome outcome) { answered += outcome ? 1 : 0; };
  {
    const auto instance = must(plugin_host::InProcessInstance::start(
        library, "{}", {.threads = *threads, .http = *broker, .clock = clock, .log = {}}));
    const double ns = measure(calls, [&] {
      instance->invoke({.tenant = base::TenantId("acme"),
                        .operation = "echo",
                        .connection = {},
                        .idempotency_key = "acme/instance/task/1",
                        .traceparent = {},
                        .attempt = 1,
                        .timeout_ms = 30'000,
                        .idempotent = true,
                        .input = std::string(input)},
                       take);
    });
    report(
        {.name = "plugin_call_overhead_instance", .value = ns - bare, .unit = "ns", .floor = at_most(overhead_ns_max)});
  }
  {
    const auto host = must(plugin_host::PluginHost::start({}, *store, *broker, clock, {}));
    const double start = cpu_ns();
    if (const base::Status loaded = host->load(installed); !loaded) {
      give_up(loaded.error().message());
    }
    report({.name = "plugin_load", .value = (cpu_ns() - start) / 1e6, .unit = "ms"});
    const double ns = measure(calls, [&] {
      host->invoke({.tenant = base::TenantId("acme"),
                    .plugin = "tracker",
                    .version = "1.2.3",
                    .operation = "echo",
                    .connection = {},
                    .idempotency_key = "acme/instance/task/1",
                    .attempt = 1,
                    .traceparent = {},
                    .timeout_ms = 0,
                    .input_json = std::string(input)},
                   take);
    });
    report({.name = "plugin_call_overhead", .value = ns - bare, .unit = "ns", .floor = at_most(overhead_ns_max)});
  }
  TRV_ASSERT(answered == 2ULL * static_cast<std::uint64_t>(calls) * rounds);
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace trv::bench

int main(int argc, char** argv) {
  const int calls = argc > 1 ? std::atoi(argv[1]) : 200'000;
  if (calls <= 0) {
    trv::bench::give_up("usage: plugin_bench [calls]");
  }
  return trv::bench::run(calls);
}
