#pragma once
// A plugin host of a benchmark's own, whose plugins run in processes of their own.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <semaphore>
#include <string>
#include <string_view>
#include <vector>

#include "bench/report.hpp"
#include "events/blob/in_memory_blob_store.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/plugin_host/isolation.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/package/package.hpp"

namespace trv::bench {

using Steady = std::chrono::steady_clock;

inline constexpr int not_measured = 77;  // as ctest knows it: this host isolates nothing

struct Spread {
  double p50 = 0;
  double p99 = 0;
};

[[nodiscard]] inline Spread spread_of(std::vector<double> times) {
  std::ranges::sort(times);
  return {.p50 = times[times.size() / 2], .p99 = times[times.size() * 99 / 100]};
}

[[nodiscard]] inline double microseconds(Steady::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

class IsolatedHost {
 public:
  /// `groups`: whether the processes of a tenant share bounds, where this host has control groups.
  explicit IsolatedHost(bool groups = false) {
    broker_ = must(egress::Broker::start({}, sources_, sources_, clock_));
    store_ = must(plugin_host::PluginStore::open_folder(folder_.path(), archives_));
    std::unique_ptr<sandbox::ControlGroups> bounds;
    if (groups) {
      if (auto opened = sandbox::ControlGroups::open({}, [](const std::string&) {})) bounds = *std::move(opened);
      has_groups_ = bounds != nullptr;
    }
    auto isolation = plugin_host::Isolation::start(
        {.program = TRV_PLUGIN_HOST, .folder = folder_.path(), .ready_count = 8}, {}, clock_, std::move(bounds));
    if (!isolation) {
      fmt::print(stderr, "not measured: {}\n", isolation.error().message());
      return;
    }
    isolation_ = *std::move(isolation);
    host_ = must(plugin_host::PluginHost::start({.isolation = isolation_.get()}, *store_, *broker_, clock_, {}));
  }
  ~IsolatedHost() {
    if (host_ != nullptr) static_cast<void>(host_->stop(std::chrono::seconds(10)));
  }
  IsolatedHost(const IsolatedHost&) = delete;
  IsolatedHost& operator=(const IsolatedHost&) = delete;

  [[nodiscard]] bool isolates() const { return isolation_ != nullptr; }
  [[nodiscard]] bool has_groups() const { return has_groups_; }
  [[nodiscard]] plugin_host::PluginHost& host() { return *host_; }
  [[nodiscard]] std::size_t processes() const { return isolation_->processes(); }

  /// A version of plugin `id`; returns when it would take calls. Another `title` is another package.
  void install(std::string_view id, const char* library, const std::vector<std::string_view>& operations,
               std::string_view version = "1.2.3", std::string_view title = "T") {
    std::string listed;
    for (const std::string_view name : operations) {
      listed += fmt::format(R"({}{{"name":"{}","title":"T","idempotent":false,"input":true,"output":true}})",
                            listed.empty() ? "" : ",", name);
    }
    const std::string manifest =
        fmt::format(R"({{"manifest":1,"id":"{}","version":"{}","title":"{}","summary":"S","license":"Apache-2.0",)"
                    R"("abi":{{"major":1,"minor":0}},"isolation":"sandboxed","operations":[{}],)"
                    R"("libraries":{{"linux-x86_64":{{"path":"lib/linux-x86_64/plugin.so"}}}}}})",
                    id, version, title, listed);
    std::vector<package::File> files;
    files.push_back({"lib/linux-x86_64/plugin.so", must(base::read_file(library, 64'000'000))});
    const auto sent = must(store_->put(must(package::assemble(manifest, std::move(files)))));
    const auto installed = must(store_->open(sent->package_digest));
    if (const base::Status loaded = host_->load(installed); !loaded) give_up(loaded.error().message());
  }

  [[nodiscard]] static plugin_host::OperationCall call(std::string_view plugin, std::string_view operation,
                                                       std::string_view tenant, std::uint64_t timeout_ms = 0) {
    return {.tenant = base::TenantId(std::string(tenant)),
            .plugin = std::string(plugin),
            .version = "1.2.3",
            .operation = std::string(operation),
            .connection = {},
            .idempotency_key = "acme/instance/task/1",
            .attempt = 1,
            .traceparent = {},
            .timeout_ms = timeout_ms,
            .input_json = R"({"title":"A thing is broken","labels":["bug"]})"};
  }

  /// The time of one call whose answer is waited for, in microseconds.
  double round_trip(std::string_view plugin, std::string_view tenant) {
    std::binary_semaphore answered{0};
    const auto start = Steady::now();
    Steady::time_point end;
    host_->invoke(call(plugin, "echo", tenant), [&](const plugin_host::CallOutcome& outcome) {
      end = Steady::now();
      if (!outcome) give_up(outcome.error().message);
      answered.release();
    });
    answered.acquire();
    return microseconds(end - start);
  }

 private:
  struct NoConnections final : egress::ConnectionSource, egress::SecretSource {
    base::Result<egress::Connection> find(const base::TenantId&, std::string_view) override {
      return base::fail(base::ErrorCode::not_found, "no such connection");
    }
    base::Result<std::string> reveal(const base::TenantId&, std::string_view) override {
      return base::fail(base::ErrorCode::not_found, "no such secret");
    }
  };

  base::SystemClock clock_;
  NoConnections sources_;
  ScratchFolder folder_{"isolated_host"};
  blob::InMemoryBlobStore archives_{package::package_bytes_max};
  bool has_groups_ = false;
  std::unique_ptr<egress::Broker> broker_;
  std::unique_ptr<plugin_host::PluginStore> store_;
  std::unique_ptr<plugin_host::Isolation> isolation_;
  std::unique_ptr<plugin_host::PluginHost> host_;
};

}  // namespace trv::bench
