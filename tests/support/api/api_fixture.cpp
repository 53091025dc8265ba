#include "tests/support/api/api_fixture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "sdk/base/digest.hpp"
#include "sdk/package/package.hpp"
#include "tests/support/api/uploads_package.hpp"

namespace trv::api {

std::unique_ptr<ScratchFolder> ApiTest::scratch_;
std::unique_ptr<Daemon> ApiTest::daemon_;
std::string ApiTest::acme_;
std::string ApiTest::beta_;

json::value Answer::value() const {
  boost::system::error_code error;
  json::value parsed = json::parse(body, error);
  return error ? json::value() : parsed;
}

std::string Answer::text(std::string_view name) const {
  const json::value parsed = value();
  const auto* object = parsed.if_object();
  const auto* member = object == nullptr ? nullptr : object->if_contains(name);
  return member == nullptr || !member->is_string() ? std::string() : std::string(member->as_string());
}

bool eventually(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

std::string begin_workflow(const Daemon& daemon, const std::string& owner, const std::string& name,
                           const std::string& rest, const std::string& input, const std::string& version) {
  const Answer applied =
      ask(daemon, owner, "POST", "/v1/tenants/acme/workflows",
          "document: {dsl: '1.0.3', namespace: demo, name: " + name + ", version: '" + version + "'}\n" + rest,
          {{"Content-Type", "application/yaml"}});
  EXPECT_EQ(applied.status, 201) << applied.body;
  const Answer started = ask(daemon, owner, "POST", "/v1/tenants/acme/workflows/demo/" + name + "/instances", input);
  EXPECT_EQ(started.status, 201) << started.body;
  return started.status == 201 ? started.text("id") : std::string();
}

json::object ended_instance(const Daemon& daemon, const std::string& owner, const std::string& id) {
  json::object shown;
  EXPECT_TRUE(eventually([&] {
    shown = ask(daemon, owner, "GET", "/v1/tenants/acme/instances/" + id).value().as_object();
    return shown.at("status") != "running";
  })) << json::serialize(shown);
  return shown;
}

void ApiTest::SetUpTestSuite() {
  scratch_ = std::make_unique<ScratchFolder>();
  auto started = Daemon::start(*scratch_);
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  acme_ = create_tenant("acme");
  beta_ = create_tenant("beta");
}

void ApiTest::TearDownTestSuite() {
  if (daemon_) {
    EXPECT_EQ(daemon_->stop(), 0) << daemon_->complaints();
  }
  daemon_.reset();
  scratch_.reset();
}

Answer ask(const Daemon& daemon, const std::string& token, const std::string& method, const std::string& path,
           std::string body, Headers headers) {
  processes::HttpClient client;
  if (!token.empty()) headers.emplace_back("Authorization", "Bearer " + token);
  // Without this libcurl says that the body is a form.
  const auto is_type = [](const auto& header) { return header.first == "Content-Type"; };
  if (std::ranges::none_of(headers, is_type)) headers.emplace_back("Content-Type", "");
  const auto answer = client.send(
      {.method = method, .url = daemon.url() + path, .headers = std::move(headers), .body = std::move(body)});
  if (!answer) {
    ADD_FAILURE() << answer.error().message() << daemon.complaints();
    return {};
  }
  return {answer->status, answer->body, answer->retry_after_s, answer->position};
}

std::string create_tenant(const Daemon& daemon, const std::string& id) {
  const Answer answer =
      ask(daemon, daemon.operator_token(), "POST", "/v1/tenants", fmt::format(R"({{"id":"{}"}})", id));
  EXPECT_EQ(answer.status, 201) << answer.body;
  return answer.status == 201 ? std::string(answer.value().at("token").at("token").as_string()) : std::string();
}

Answer ApiTest::call(const std::string& token, const std::string& method, const std::string& path, std::string body,
                     Headers headers) {
  return ask(*daemon_, token, method, path, std::move(body), std::move(headers));
}

std::string ApiTest::create_tenant(const std::string& id) {
  return api::create_tenant(*daemon_, id);
}

std::pair<std::string, std::string> ApiTest::issue(const std::string& owner, const std::string& tenant,
                                                   const std::string& role, int expires_in_seconds) {
  const Answer answer =
      call(owner, "POST", "/v1/tenants/" + tenant + "/tokens",
           fmt::format(R"({{"name":"t","role":"{}","expires_in_seconds":{}}})", role, expires_in_seconds));
  EXPECT_EQ(answer.status, 201) << answer.body;
  return {answer.text("id"), answer.text("token")};
}

Answer ApiTest::apply_workflow(const std::string& owner, const std::string& tenant, const std::string& text) {
  return call(owner, "POST", "/v1/tenants/" + tenant + "/workflows", text, {{"Content-Type", "application/yaml"}});
}

std::vector<json::value> ApiTest::events(const std::string& token, const std::string& tenant) {
  std::vector<json::value> all;
  std::string cursor;
  do {
    const Answer answer = call(token, "GET", "/v1/tenants/" + tenant + "/events?limit=500" + cursor);
    EXPECT_EQ(answer.status, 200) << answer.body;
    if (answer.status != 200) return all;
    const json::value page = answer.value();
    for (const json::value& item : page.at("items").as_array()) all.push_back(item);
    cursor = page.at("next_cursor").is_string() ? "&cursor=" + std::string(page.at("next_cursor").as_string()) : "";
  } while (!cursor.empty());
  return all;
}

std::size_t ApiTest::count_events(const std::string& token, const std::string& tenant, std::string_view type) {
  const auto all = events(token, tenant);
  return static_cast<std::size_t>(
      std::ranges::count_if(all, [type](const json::value& one) { return one.at("type").as_string() == type; }));
}

std::size_t ApiTest::count_instances(const std::string& token, const std::string& tenant) {
  const Answer answer = call(token, "GET", "/v1/tenants/" + tenant + "/instances?limit=500");
  EXPECT_EQ(answer.status, 200) << answer.body;
  return answer.status == 200 ? answer.value().at("items").as_array().size() : 0;
}

namespace {

constexpr std::string_view library_path = "lib/linux-x86_64/plugin.so";

base::Bytes package_of(const std::string& manifest, const std::string& library, std::size_t library_bytes_max) {
  std::string code = contents_of(std::filesystem::path(TRV_BINARY_DIR) / "test_plugins" / (library + ".so"));
  EXPECT_FALSE(code.empty()) << library;
  code.resize(std::min(code.size(), library_bytes_max));
  std::vector<package::File> files;
  files.push_back({std::string(library_path), base::Bytes(code.begin(), code.end())});
  auto bytes = package::assemble(manifest, std::move(files));
  EXPECT_TRUE(bytes) << bytes.error().message();
  return bytes ? *std::move(bytes) : base::Bytes();
}

}  // namespace

base::Bytes tracker_package(const std::string& library, int abi_major, std::size_t library_bytes_max,
                            const std::string& version, const std::string& more) {
  const std::string manifest = fmt::format(
      R"({{"manifest":1,"id":"tracker","version":"{}","title":"Tracker","summary":"S","license":"Apache-2.0",
          "abi":{{"major":{},"minor":0}},"isolation":"in-process",
          "libraries":{{"linux-x86_64":{{"path":"{}"}}}},
          {}
          "operations":[{{"name":"echo","title":"Echo","idempotent":true,"input":true,"output":true}},
            {{"name":"about","title":"About","idempotent":true,"input":true,"output":true}},
            {{"name":"keep","title":"Keep","idempotent":true,"input":true,"output":true}},
            {{"name":"kept","title":"Kept","idempotent":true,"input":true,"output":true}},
            {{"name":"sign","title":"Sign","idempotent":true,"input":true,"output":true}},
            {{"name":"emit","title":"Emit","idempotent":true,"input":true,"output":true}},
            {{"name":"too-late","title":"Late","idempotent":false,"input":true,"output":true}},
            {{"name":"die","title":"Die","idempotent":true,"input":true,"output":true}},
            {{"name":"recurse","title":"Recurse","idempotent":true,"input":true,"output":true}}],
          "webhooks":[{{"name":"push","title":"Push",
            "verification":{{"scheme":"hmac-sha256","header":"X-Signature","prefix":"sha256=","encoding":"hex"}},
            "delivery_id":".headers[\"x-delivery\"]",
            "event":{{"type":"\"com.tracker.\" + .body.action","source":"\"/tracker\""}}}},
           {{"name":"command","title":"Command","body":"form","answer":"empty",
            "verification":{{"scheme":"hmac-sha256","header":"X-Signature","prefix":"sha256=","encoding":"hex",
              "signed":"v0:{{timestamp}}:{{body}}","timestamp_header":"X-Time","tolerance_s":300}},
            "required_headers":["X-Kind"],
            "challenge":"if .body.hello then .body.hello else null end",
            "event":{{"type":"\"com.tracker.\" + .body.action","source":"\"/tracker\""}}}},
           {{"name":"hook","title":"Hook","verification":{{"scheme":"token","header":"X-Token"}},
            "event":{{"type":"\"com.tracker.\" + .body.action","source":"\"/tracker\""}}}}]}})",
      version, abi_major, library_path, more);
  return package_of(manifest, library, library_bytes_max);
}

base::Bytes counter_package(const std::string& version) {
  return package_of(
      fmt::format(
          R"({{"manifest":1,"id":"tracker","version":"{}","title":"Counter","summary":"S","license":"Apache-2.0",
              "abi":{{"major":1,"minor":0}},"isolation":"in-process","libraries":{{"linux-x86_64":{{"path":"{}"}}}},
              "operations":[{{"name":"count","title":"Count","idempotent":true,"input":true,"output":true}},
                {{"name":"count-later","title":"Later","idempotent":true,"input":true,"output":true}},
                {{"name":"many-parts","title":"Parts","idempotent":true,"input":true,"output":true}},
                {{"name":"hold","title":"Hold","idempotent":true,"input":true,"output":true}},
                {{"name":"about","title":"About","idempotent":true,"input":true,"output":true}}]}})",
          version, library_path),
      "counter_" + version, std::string::npos);
}

base::Bytes uploads_package(const std::string& bodies) {
  std::string operations;
  for (const char* name : {"known", "chunks", "short", "never", "parts"}) {
    operations += fmt::format(R"({}{{"name":"{}","title":"T","idempotent":true,"input":true,"output":true}})",
                              operations.empty() ? "" : ",", name);
  }
  return package_of(
      fmt::format(
          R"({{"manifest":1,"id":"tracker","version":"1.5.0","title":"Uploads","summary":"S","license":"Apache-2.0",
              "abi":{{"major":1,"minor":0}},"isolation":"in-process","libraries":{{"linux-x86_64":{{"path":"{}"}}}},
              "permissions":["http","serve"],"bodies":"{}","operations":[{}]}})",
          library_path, bodies, operations),
      "uploads_for_clients", std::string::npos);
}

base::Bytes mcp_package() {
  return package_of(
      fmt::format(
          R"({{"manifest":1,"id":"mcp","version":"1.2.3","title":"MCP","summary":"S","license":"Apache-2.0",
              "abi":{{"major":1,"minor":0}},"isolation":"in-process","libraries":{{"linux-x86_64":{{"path":"{}"}}}},
              "operations":[{{"name":"call","title":"Call","idempotent":true,"input":true,"output":true}}]}})",
          library_path),
      "mcp", std::string::npos);
}

std::string signature_of(std::string_view body, std::string_view secret) {
  return "sha256=" + base::to_hex(base::hmac_sha256(base::as_bytes(secret), base::as_bytes(body)));
}

}  // namespace trv::api
