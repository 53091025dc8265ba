// Secrets on disk: exactly those that a connection refers to.

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <thread>

#include "kernel/http/testing/loopback_server.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class SecretsTest : public ApiTest {
 protected:
  static std::set<std::string> on_disk() {
    std::set<std::string> names;
    const std::filesystem::path folder = daemon().data() / "secrets" / "acme";
    if (!std::filesystem::exists(folder)) return names;
    for (const auto& file : std::filesystem::directory_iterator(folder)) names.insert(file.path().filename());
    return names;
  }
  static Answer apply(const std::string& rest) {
    return call(acme(), "PUT", "/v1/tenants/acme/connections/outside", R"({"base_url":"http://h")" + rest + "}");
  }
};

TEST_F(SecretsTest, a_secret_goes_with_the_record_that_replaces_or_removes_it) {
  ASSERT_EQ(apply(R"(,"auth":{"scheme":"bearer"},"secret":"one")").status, 200);
  const auto first = on_disk();
  EXPECT_EQ(first.size(), 1U);
  // What is not sent again is kept.
  ASSERT_EQ(apply(R"(,"auth":{"scheme":"bearer"},"webhook_secret":"hush")").status, 200);
  const auto both = on_disk();
  EXPECT_EQ(both.size(), 2U);
  EXPECT_TRUE(both.contains(*first.begin()));
  ASSERT_EQ(apply(R"(,"auth":{"scheme":"bearer"},"secret":"two")").status, 200);
  const auto replaced = on_disk();
  EXPECT_EQ(replaced.size(), 2U);
  EXPECT_FALSE(replaced.contains(*first.begin()));
  // A refused command changes nothing and leaves nothing.
  ASSERT_EQ(apply(R"(,"auth":{"scheme":"magic"},"secret":"three","webhook_secret":"four")").status, 400);
  EXPECT_EQ(on_disk(), replaced);
  // Without authentication the secret is no longer named; the webhook's is.
  ASSERT_EQ(apply(R"(,"auth":{"scheme":"none"})").status, 200);
  EXPECT_EQ(on_disk().size(), 1U);
  ASSERT_EQ(call(acme(), "DELETE", "/v1/tenants/acme/connections/outside").status, 204);
  EXPECT_TRUE(on_disk().empty());
}

/// A daemon of its own, whose files are searched once it has ended.
class SecretCalls : public testing::Test {
 protected:
  using Clock = std::chrono::steady_clock;

  void SetUp() override {
    auto started = Daemon::start(scratch_, {}, {.variables = {{"TRAV_EGRESS_ALLOW_PRIVATE_NETWORK", "true"}}});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    owner_ = create_tenant(*daemon_, "acme");
    const Answer set = ask(
        *daemon_, owner_, "PUT", "/v1/tenants/acme/connections/vault",
        fmt::format(R"({{"base_url":"{}/api","auth":{{"scheme":"bearer"}},"secret":"{}"}})", service_.url(), secret_));
    ASSERT_EQ(set.status, 200) << set.body;
  }
  /// Runs a workflow with these tasks to its end and gives its instance and its steps.
  json::object ran(const std::string& name, const std::string& tasks) {
    const Answer applied = ask(*daemon_, owner_, "POST", "/v1/tenants/acme/workflows",
                               fmt::format("document: {{dsl: '1.0.3', namespace: demo, name: {}, version: '1.0.0'}}\n"
                                           "use: {{secrets: [vault]}}\ndo:\n{}",
                                           name, tasks),
                               {{"Content-Type", "application/yaml"}});
    EXPECT_EQ(applied.status, 201) << applied.body;
    const Answer begun =
        ask(*daemon_, owner_, "POST", fmt::format("/v1/tenants/acme/workflows/demo/{}/instances", name), "{}");
    EXPECT_EQ(begun.status, 201) << begun.body;
    const std::string path = "/v1/tenants/acme/instances/" + begun.text("id");
    Answer shown = ask(*daemon_, owner_, "GET", path);
    for (const auto until = Clock::now() + std::chrono::seconds(60);
         shown.text("status") == "running" && Clock::now() < until; shown = ask(*daemon_, owner_, "GET", path)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    seen_ += shown.body + ask(*daemon_, owner_, "GET", path + "/tasks").body;
    return shown.value().as_object();
  }
  /// Everything that the daemon has written, with what it answered.
  std::string everything() {
    seen_ += ask(*daemon_, owner_, "GET", "/v1/tenants/acme/events?limit=500").body;
    seen_ += daemon_->output() + daemon_->complaints();
    EXPECT_EQ(daemon_->stop(), 0);
    for (const auto& file : std::filesystem::recursive_directory_iterator(daemon_->data())) {
      if (file.is_regular_file()) seen_ += contents_of(file.path());
    }
    return seen_;
  }

  const std::string secret_ = "tr-4v3rtine-hush";
  ScratchFolder scratch_;
  http::LoopbackServer service_{[](const std::string& request) {
    // The echo of a careless service: all of the request.
    const std::string body = json::serialize(json::object{{"echo", request}});
    return fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Echo: {}\r\nContent-Length: {}\r\n\r\n{}",
        request.find("tr-4v3rtine-hush") == std::string::npos ? "none" : "tr-4v3rtine-hush", body.size(), body);
  }};
  std::unique_ptr<Daemon> daemon_;
  std::string owner_;
  std::string seen_;
};

TEST_F(SecretCalls, reach_the_service_and_leave_no_byte_of_the_secret_anywhere_else) {
  for (const std::string output : {"content", "response", "raw"}) {
    const json::object shown =
        ran("call-" + output, fmt::format("  - ask:\n"
                                          "      call: http\n"
                                          "      with:\n"
                                          "        method: post\n"
                                          "        endpoint: {}/api/thing\n"
                                          "        headers: {{x-key: 'Key ${{ $secrets.vault }}'}}\n"
                                          "        body: {{pass: '${{ $secrets.vault }}'}}\n"
                                          "        output: {}\n",
                                          service_.url(), output));
    EXPECT_EQ(shown.at("status"), "completed") << json::serialize(shown);
    const std::string request = service_.requests().back();
    EXPECT_NE(request.find("x-key: Key " + secret_), std::string::npos) << request;
    EXPECT_NE(request.find(R"({"pass":")" + secret_ + "\"}"), std::string::npos) << request;
    const bool is_seen = json::serialize(shown.at("output")).find("[secret vault]") != std::string::npos;
    EXPECT_EQ(is_seen, output != "raw");
  }
  const json::object basic =
      ran("basic", fmt::format("  - ask:\n"
                               "      call: http\n"
                               "      with:\n"
                               "        method: get\n"
                               "        endpoint:\n"
                               "          uri: {}/api/thing\n"
                               "          authentication: {{basic: {{username: ada, password: '${{ "
                               "$secrets.vault }}'}}}}\n",
                               service_.url()));
  EXPECT_EQ(basic.at("status"), "completed") << json::serialize(basic);
  const std::string credential = base::to_base64(base::as_bytes("ada:" + secret_));
  EXPECT_NE(service_.requests().back().find(credential), std::string::npos);
  // The same secret for another address is refused before anything is sent.
  const std::size_t before = service_.requests().size();
  const json::object elsewhere =
      ran("elsewhere",
          fmt::format("  - ask: {{call: http, with: {{method: get, endpoint: '{}/other', headers: {{x-key: '${{ "
                      "$secrets.vault }}'}}}}}}\n",
                      service_.url()));
  EXPECT_EQ(elsewhere.at("status"), "faulted");
  EXPECT_EQ(elsewhere.at("error").at("status"), 403);
  EXPECT_EQ(elsewhere.at("error").at("type"), "https://serverlessworkflow.io/spec/1.0.0/errors/authorization");
  EXPECT_EQ(service_.requests().size(), before);

  const std::string all = everything();
  EXPECT_NE(all.find("[secret vault]"), std::string::npos) << "what was searched is not what was written";
  for (const std::string& form :
       {secret_, base::to_base64(base::as_bytes(secret_)), credential, secret_.substr(3, 9)}) {
    EXPECT_EQ(all.find(form), std::string::npos) << form << " in " << all.substr(all.find(form) - 100, 200);
  }
}

}  // namespace
}  // namespace trv::api
