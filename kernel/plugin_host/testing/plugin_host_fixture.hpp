#pragma once
// A plugin host with a store and a broker of its own, and packages made from the libraries in test_plugins.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

#include "events/blob/in_memory_blob_store.hpp"
#include "kernel/egress/broker.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "kernel/plugin_host/testing/in_memory_store.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/random.hpp"
#include "sdk/package/package.hpp"

namespace trv::plugin_host {

using base::ErrorCode;
using base::TenantId;

inline std::filesystem::path library_path(const std::string& name) {
  return std::filesystem::path(TRV_TEST_PLUGINS) / (name + ".so");
}

/// A package whose library is one of the test plugins.
inline constexpr std::array operation_names{
    "about", "echo",       "describe",     "serial",        "fail",   "bad-error",      "later",    "too-late",
    "twice", "never",      "never-slowly", "deaf",          "hang",   "hang-long",      "not-json", "nothing",
    "huge",  "log",        "fetch",        "post-thrice",   "escape", "fail-200-times", "wait",     "wait-100-times",
    "keep",  "keep-first", "keep-large",   "keep-for-ever", "kept",   "kept-badly",     "kept-all", "forget",
    "sign",  "sign-oddly", "emit",         "emit-foreign",  "respond"};

template <typename Names = decltype(operation_names)>
base::Bytes package_of(const std::string& library, const std::string& more = "", int abi_major = 1,
                       const std::string& platform = "linux-x86_64", const std::string& isolation = "in-process",
                       const Names& names = operation_names, const std::string& version = "1.2.3") {
  std::string operations;
  for (const std::string name : names) {
    operations += std::string(operations.empty() ? "" : ",") + R"({"name":")" + name +
                  R"(","title":"T","idempotent":)" + (name == "never" ? "true" : "false") +
                  R"(,"input":true,"output":true})";
  }
  const std::string path = "lib/" + platform + "/plugin.so";
  const std::string manifest = R"({"manifest":1,"id":"tracker","version":")" + version +
                               R"(","title":"Tracker","summary":"S",)"
                               R"("license":"Apache-2.0","abi":{"major":)" +
                               std::to_string(abi_major) + R"(,"minor":0},"isolation":")" + isolation +
                               R"(","libraries":{")" + platform + R"(":{"path":")" + path + R"("}},"operations":[)" +
                               operations + "]" + more + "}";
  auto code = base::read_file(library_path(library), 64'000'000);
  EXPECT_TRUE(code) << code.error().message();
  std::vector<package::File> files;
  files.push_back({path, *std::move(code)});
  auto bytes = package::assemble(manifest, std::move(files));
  EXPECT_TRUE(bytes) << bytes.error().message();
  return bytes ? *std::move(bytes) : base::Bytes();
}

/// One connection "api" of tenant acme, for plugin tracker unless changed; no secrets.
class OneConnection final : public egress::ConnectionSource, public egress::SecretSource {
 public:
  base::Result<egress::Connection> find(const TenantId& tenant, std::string_view name) override {
    if (tenant != TenantId("acme") || name != "api") return base::fail(ErrorCode::not_found, "no such connection");
    return connection;
  }
  base::Result<std::string> reveal(const TenantId&, std::string_view) override {
    return base::fail(ErrorCode::not_found, "no such secret");
  }
  egress::Connection connection{.tenant = TenantId("acme"),
                                .name = "api",
                                .plugin = "tracker",
                                .base_url = "",
                                .authentication = {},
                                .limits = {},
                                .allow_private_network = true};
};

class PluginHostTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "pluginsXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    auto store = PluginStore::open_folder(folder_ / "store", archives_);
    ASSERT_TRUE(store) << store.error().message();
    store_ = *std::move(store);
    auto broker = egress::Broker::start({}, source_, source_, clock_);
    ASSERT_TRUE(broker);
    broker_ = *std::move(broker);
    HostConfiguration configuration;
    configuration.serve = store_of_plugins_.serve();
    prepare(configuration);
    auto host = PluginHost::start(std::move(configuration), *store_, *broker_, clock_, [this](const LogLine& line) {
      const std::lock_guard lock(log_mutex_);
      log_.push_back(line.message);
      about_.push_back(line.tenant.value() + " " + line.key);
    });
    ASSERT_TRUE(host);
    host_ = *std::move(host);
  }
  /// How the plugins are hosted, once the store is there.
  virtual void prepare(HostConfiguration&) {}
  void TearDown() override {
    host_.reset();
    broker_.reset();
    std::filesystem::remove_all(folder_);
  }

  /// Stores the package, and no longer holds it.
  Stored install(const base::Bytes& bytes) {
    const auto stored = store_->put(bytes);
    EXPECT_TRUE(stored) << stored.error().message();
    return stored ? **stored : Stored{};
  }
  base::Status load(const base::Digest& package, const std::string& configuration = "{}") {
    const auto examined = host_->examine(package);
    return examined ? host_->load(*examined, configuration) : base::fail(examined.error());
  }
  void load_good() {
    const base::Bytes package =
        package_of("good", R"(,"permissions":["http","kv","secrets","serve","events:com.tracker.*"])");
    const base::Status loaded = load(install(package).package_digest);
    ASSERT_TRUE(loaded) << loaded.error().message();
  }
  static OperationCall call(std::string operation, std::string input = "{}", std::uint64_t timeout_ms = 5'000) {
    OperationCall call;
    call.tenant = TenantId("acme");
    call.plugin = "tracker";
    call.version = "1.2.3";
    call.operation = std::move(operation);
    call.connection = "api";
    call.idempotency_key = "key";
    call.timeout_ms = timeout_ms;
    call.input_json = std::move(input);
    return call;
  }
  std::future<CallOutcome> invoke(OperationCall request, CallHandle* handle = nullptr) {
    auto promise = std::make_shared<std::promise<CallOutcome>>();
    auto future = promise->get_future();
    const CallHandle given =
        host_->invoke(std::move(request), [promise](CallOutcome outcome) { promise->set_value(std::move(outcome)); });
    if (handle != nullptr) *handle = given;
    return future;
  }
  static WebCall request(std::string method, std::string path, std::string body = {}, std::uint64_t timeout_ms = 60'000,
                         const std::string& tenant = "acme") {
    WebCall web;
    web.tenant = TenantId(tenant);
    web.plugin = "tracker";
    web.version = "1.2.3";
    web.idempotency_key = "key";
    web.timeout_ms = timeout_ms;
    web.request = {.principal = "token:t1",
                   .principal_name = "Ada",
                   .role = "owner",
                   .method = std::move(method),
                   .path = std::move(path),
                   .query = "a=1",
                   .headers = {{"accept", "text/plain"}},
                   .body = std::move(body)};
    return web;
  }
  std::future<WebOutcome> serve(WebCall web, CallHandle* handle = nullptr) {
    auto promise = std::make_shared<std::promise<WebOutcome>>();
    auto future = promise->get_future();
    const CallHandle given =
        host_->serve(std::move(web), [promise](WebOutcome outcome) { promise->set_value(std::move(outcome)); });
    if (handle != nullptr) *handle = given;
    return future;
  }
  CallOutcome run(OperationCall request) { return invoke(std::move(request)).get(); }
  InstanceMetrics metrics() { return host_->metrics().at(0).instance; }
  template <typename Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 2'000; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  static void flip_byte(const std::filesystem::path& path) {
    std::filesystem::permissions(path, std::filesystem::perms(0644));
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(1'000);
    const int byte = file.get();
    file.seekp(1'000);
    file.put(static_cast<char>(byte ^ 1));
  }

  base::SystemClock clock_;
  base::SystemRandom random_;
  std::filesystem::path folder_;
  OneConnection source_;
  InMemoryStore store_of_plugins_;
  std::mutex log_mutex_;
  std::vector<std::string> log_;
  std::vector<std::string> about_;  ///< of each line, the tenant and the key of its call
  blob::InMemoryBlobStore archives_{package::package_bytes_max};
  std::unique_ptr<PluginStore> store_;
  std::unique_ptr<egress::Broker> broker_;
  std::unique_ptr<PluginHost> host_;
};

}  // namespace trv::plugin_host
