// Webhooks that a tenant declares itself: who proves that it may deliver starts workflows; nobody else leaves a trace.

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

class HooksTest : public ApiTest {
 protected:
  static constexpr const char* hook = "/v1/tenants/acme/hooks/orders";

  void SetUp() override {
    const std::string workflow =
        "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: ordered\n  version: '1.0.0'\n"
        "schedule:\n  on:\n    one:\n      with:\n        type: com.example.order.created\n"
        "do:\n  - keep:\n      set:\n        order: ${ $workflow.input[0].data.order }\n";
    const Answer applied = apply_workflow(acme(), "acme", workflow);
    ASSERT_TRUE(applied.status == 201 || applied.status == 200) << applied.body;
  }
  static Answer declare(const std::string& rest, const std::string& token = acme()) {
    return call(token, "PUT", hook, R"({"type":"com.example.order.created")" + rest + "}");
  }
  static Answer deliver(const std::string& body, Headers headers, const std::string& path = hook) {
    headers.emplace_back("Content-Type", "application/json");
    return call("", "POST", path, body, std::move(headers));
  }
  static std::size_t received() { return count_events(acme(), "acme", "trv.event.received"); }
  static std::size_t secrets() {
    const std::filesystem::path folder = daemon().data() / "secrets" / "acme";
    std::size_t count = 0;
    if (!std::filesystem::exists(folder)) return 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) count += file.is_regular_file() ? 1 : 0;
    return count;
  }
  static std::string metric(const std::string& outcome) {
    const std::string text = call(daemon().operator_token(), "GET", "/metrics").body;
    const std::string name = "travertine_webhook_deliveries_total{outcome=\"" + outcome + "\"} ";
    const std::size_t at = text.find(name);
    if (at == std::string::npos) return "none";
    return text.substr(at + name.size(), text.find('\n', at) - at - name.size());
  }
};

TEST_F(HooksTest, a_signed_delivery_starts_a_workflow_once) {
  const Answer declared = declare(R"(,"secret":"hush")");
  ASSERT_EQ(declared.status, 200) << declared.body;
  EXPECT_EQ(declared.body.find("hush"), std::string::npos);
  EXPECT_EQ(declared.text("path"), hook);
  const std::string body = R"({"order":17})";
  const Headers headers = {{"X-Signature-256", signature_of(body, "hush")}, {"X-Delivery-Id", "d-1"}};
  const Answer first = deliver(body, headers);
  ASSERT_EQ(first.status, 202) << first.body;
  ASSERT_EQ(first.value().at("started").as_array().size(), 1U) << first.body;
  const std::string instance(first.value().at("started").as_array()[0].as_string());
  const Answer shown = call(acme(), "GET", "/v1/tenants/acme/instances/" + instance);
  EXPECT_EQ(shown.value().at("output").at("order").as_int64(), 17) << shown.body;
  const Answer again = deliver(body, headers);
  EXPECT_EQ(again.status, 202);
  EXPECT_TRUE(again.value().at("duplicate").as_bool()) << again.body;
  EXPECT_EQ(again.text("event"), first.text("event"));
  EXPECT_TRUE(again.value().at("started").as_array().empty());
  EXPECT_NE(metric("duplicate"), "0");
}

TEST_F(HooksTest, a_wrong_signature_is_401_and_counted_and_nothing_is_recorded) {
  ASSERT_EQ(declare(R"(,"secret":"hush")").status, 200);
  const std::size_t before = events(acme(), "acme").size();
  const std::string refused_before = metric("refused");
  const Answer wrong = deliver("{}", {{"X-Signature-256", signature_of("{}", "guess")}});
  EXPECT_EQ(wrong.status, 401) << wrong.body;
  EXPECT_NE(wrong.text("detail").find("'X-Signature-256'"), std::string::npos) << wrong.body;
  EXPECT_EQ(deliver("{}", {}).status, 401);
  EXPECT_EQ(events(acme(), "acme").size(), before);
  EXPECT_EQ(std::stoi(metric("refused")), std::stoi(refused_before) + 2);
  // What does not exist answers alike, whichever part of it.
  for (const char* path : {"/v1/tenants/acme/hooks/other", "/v1/tenants/beta/hooks/orders",
                           "/v1/tenants/nobody/hooks/orders", "/v1/tenants/acme/hooks/other/token"}) {
    EXPECT_EQ(deliver("{}", {}, path).status, 404) << path;
  }
}

TEST_F(HooksTest, a_copy_of_a_signed_time_starts_nothing_and_an_old_one_is_refused) {
  ASSERT_EQ(declare(R"(,"secret":"hush","verification":{"scheme":"hmac-sha256","signed":"{timestamp}.{body}"})").status,
            200);
  const auto at = [](std::int64_t seconds) {
    const std::string time = std::to_string(seconds);
    return Headers{{"X-Timestamp", time}, {"X-Signature-256", signature_of(time + R"(.{"order":1})", "hush")}};
  };
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  const Answer first = deliver(R"({"order":1})", at(now));
  ASSERT_EQ(first.status, 202) << first.body;
  EXPECT_FALSE(first.value().at("duplicate").as_bool());
  EXPECT_TRUE(deliver(R"({"order":1})", at(now)).value().at("duplicate").as_bool());
  const std::size_t before = received();
  EXPECT_EQ(deliver(R"({"order":1})", at(now - 3600)).status, 401);
  EXPECT_EQ(received(), before);
}

TEST_F(HooksTest, a_path_that_cannot_be_guessed_is_shown_once_and_can_be_renewed) {
  const std::string token_scheme = R"(,"verification":{"scheme":"token"})";
  ASSERT_EQ(declare(R"(,"secret":"hush")").status, 200);
  const Answer made = declare(token_scheme);
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string path = made.text("path");
  ASSERT_EQ(path.size(), std::string(hook).size() + 65) << path;
  EXPECT_EQ(secrets(), 0U) << "the secret of the other scheme goes";
  EXPECT_EQ(deliver(R"({"order":2})", {}, path).status, 202);
  EXPECT_EQ(deliver(R"({"order":2})", {}, hook).status, 401);
  EXPECT_EQ(deliver(R"({"order":2})", {}, path.substr(0, path.size() - 1)).status, 401);
  // Declared again, it stays; it is in no view.
  EXPECT_EQ(declare(token_scheme).text("path"), std::string(hook) + "/{token}");
  EXPECT_EQ(deliver(R"({"order":3})", {}, path).status, 202);
  const std::string token = path.substr(std::string(hook).size() + 1);
  for (const char* view : {"/v1/tenants/acme/hooks", "/v1/tenants/acme/events?limit=500"}) {
    EXPECT_EQ(call(acme(), "GET", view).body.find(token), std::string::npos) << view;
  }
  const Answer renewed = declare(token_scheme + R"(,"new_token":true)");
  EXPECT_NE(renewed.text("path"), path);
  EXPECT_EQ(deliver(R"({"order":4})", {}, path).status, 401);
  EXPECT_EQ(deliver(R"({"order":4})", {}, renewed.text("path")).status, 202);
}

TEST_F(HooksTest, a_cloud_event_may_not_claim_another_type) {
  ASSERT_EQ(declare(R"(,"secret":"hush")").status, 200);
  const auto send = [](const std::string& type) {
    const std::string body = fmt::format(
        R"({{"specversion":"1.0","id":"{}","source":"/shop","type":"{}","data":{{"order":5}}}})", type, type);
    return call("", "POST", hook, body,
                {{"Content-Type", "application/cloudevents+json"}, {"X-Signature-256", signature_of(body, "hush")}});
  };
  const Answer other = send("com.example.order.paid");
  EXPECT_EQ(other.status, 400) << other.body;
  EXPECT_NE(other.text("detail").find("'com.example.order.paid'"), std::string::npos) << other.body;
  const Answer right = send("com.example.order.created");
  EXPECT_EQ(right.status, 202) << right.body;
  EXPECT_EQ(right.value().at("started").as_array().size(), 1U);
}

TEST_F(HooksTest, declarations_are_events_are_listed_and_go_with_their_secret) {
  ASSERT_EQ(declare(R"(,"secret":"hush","source":"/shop","id_header":"X-GitHub-Delivery")").status, 200);
  EXPECT_EQ(secrets(), 1U);
  // A secret that is not sent again is kept; another replaces it.
  ASSERT_EQ(declare("").status, 200);
  EXPECT_EQ(secrets(), 1U);
  ASSERT_EQ(declare(R"(,"secret":"other")").status, 200);
  EXPECT_EQ(secrets(), 1U);
  EXPECT_EQ(deliver("{}", {{"X-Signature-256", signature_of("{}", "hush")}}).status, 401);
  EXPECT_EQ(deliver("{}", {{"X-Signature-256", signature_of("{}", "other")}}).status, 202);
  const json::value list = call(acme(), "GET", "/v1/tenants/acme/hooks").value();
  ASSERT_EQ(list.at("items").as_array().size(), 1U);
  EXPECT_EQ(list.at("items").as_array()[0].at("verification").at("header").as_string(), "X-Signature-256");
  const std::size_t declared = count_events(acme(), "acme", "trv.webhook.declared");
  EXPECT_GE(declared, 3U);
  const std::string viewer = issue(acme(), "acme", "viewer").second;
  EXPECT_EQ(declare(R"(,"secret":"mine")", viewer).status, 403);
  EXPECT_EQ(call(viewer, "GET", "/v1/tenants/acme/hooks").status, 200);
  EXPECT_EQ(call(acme(), "DELETE", hook).status, 204);
  EXPECT_EQ(call(acme(), "DELETE", hook).status, 404);
  EXPECT_EQ(secrets(), 0U);
  EXPECT_EQ(deliver("{}", {{"X-Signature-256", signature_of("{}", "other")}}).status, 404);
}

TEST_F(HooksTest, what_cannot_work_is_refused_when_it_is_declared_and_leaves_no_secret) {
  (void)call(acme(), "DELETE", hook);
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"", "needs a secret"},
      {R"(,"secret":"x","verification":{"scheme":"md5"})", "'md5' is not known"},
      {R"(,"secret":"x","verification":{"scheme":"hmac-sha256","header":"a b"})", "verification.header 'a b'"},
      {R"(,"secret":"x","verification":{"scheme":"hmac-sha256","encoding":"octal"})", "hex or base64"},
      {R"(,"secret":"x","verification":{"scheme":"hmac-sha256","signed":"{timestamp}"})", "has no {body}"},
      {R"(,"secret":"x","verification":{"scheme":"hmac-sha256","signed":"{body}{body}"})", "{body} twice"},
      {R"(,"secret":"x","verification":{"scheme":"hmac-sha256","signed":"{url}{body}"})", "not known"},
      {R"(,"secret":"x","verification":{"scheme":"hmac-sha256","tolerance_s":5})", "a time that is signed"},
      {R"(,"secret":"x","verification":{"scheme":"hmac-sha256","signed":"{timestamp}{body}","tolerance_s":0})",
       "tolerance_s is 0"},
      {R"(,"secret":"x","verification":{"scheme":"token"})", "'secret' is for"},
      {R"(,"secret":"x","id_header":"")", "id_header ''"},
      {R"(,"secret":"x","colour":"red")", "'colour' is not known"}};
  for (const auto& [rest, reason] : wrong) {
    const Answer answer = declare(rest);
    EXPECT_EQ(answer.status, 400) << rest << answer.body;
    EXPECT_NE(answer.text("detail").find(reason), std::string::npos) << rest << answer.body;
  }
  EXPECT_EQ(secrets(), 0U);
}

}  // namespace
}  // namespace trv::api
