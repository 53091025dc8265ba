#include <gtest/gtest.h>

#include <future>

#include "kernel/effects/http_answer.hpp"
#include "kernel/effects/performers.hpp"
#include "kernel/http/testing/loopback_server.hpp"

namespace trv::effects {
namespace {

class NoSources final : public egress::ConnectionSource, public egress::SecretSource {
 public:
  base::Result<egress::Connection> find(const base::TenantId&, std::string_view) override {
    return base::fail(base::ErrorCode::not_found, "no connection");
  }
  base::Result<std::string> reveal(const base::TenantId&, std::string_view) override {
    return base::fail(base::ErrorCode::not_found, "no secret");
  }
};

/// Calls a server that answers every request with the same bytes.
class HttpPerformer : public testing::Test {
 protected:
  void SetUp() override {
    egress::BrokerConfiguration configuration;
    configuration.allow_private_network = true;
    auto started = egress::Broker::start(configuration, sources_, sources_, clock_);
    ASSERT_TRUE(started) << started.error().message();
    broker_ = *std::move(started);
    calls_ = std::make_unique<HttpCalls>(*broker_, sources_, sources_, clock_);
  }

  shard::Outcome answered(int status, std::string_view type, std::string_view body, std::string_view output = {},
                          std::string_view method = "GET", std::uint32_t try_number = 1) {
    answer_ = "HTTP/1.1 " + std::to_string(status) + " Text\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\nContent-Type: " + std::string(type) + "\r\nX-Limit: 7\r\n\r\n" + std::string(body);
    shard::Effect effect;
    effect.tenant = base::TenantId("acme");
    effect.key = "acme/1/do/0/get/1";
    effect.kind = "http";
    effect.operation = method;
    effect.input = R"({"endpoint":")" + server_.url() + R"(/a","headers":{"x-a":"b"})";
    if (!output.empty()) effect.input += R"(,"output":")" + std::string(output) + '"';
    effect.input += '}';
    auto promise = std::make_shared<std::promise<shard::Outcome>>();
    auto future = promise->get_future();
    (void)calls_->perform(effect, try_number, {},
                          [promise](TryResult result) { promise->set_value(std::move(result.outcome)); });
    return future.get();
  }

  base::SystemClock clock_;
  NoSources sources_;
  std::string answer_;
  http::LoopbackServer server_{[this](const std::string&) { return answer_; }};
  std::unique_ptr<HttpCalls> calls_;
  std::unique_ptr<egress::Broker> broker_;
};

TEST_F(HttpPerformer, the_content_is_json_where_the_answer_says_so_and_is_json_and_text_elsewhere) {
  const auto content = [this](std::string_view type, std::string_view body) {
    const shard::Outcome outcome = answered(200, type, body);
    EXPECT_TRUE(outcome.ok && outcome.status == 200) << outcome.message;
    return outcome.output;
  };
  EXPECT_EQ(content("application/json; charset=utf-8", R"( {"n": 1} )"), R"({"n":1})");
  EXPECT_EQ(content("application/problem+json", "[1]"), "[1]");
  EXPECT_EQ(content("Text/JSON", "1"), "1");
  EXPECT_EQ(content("application/json", ""), "null");
  EXPECT_EQ(content("application/json", R"({"n")"), R"("{\"n\"")");
  EXPECT_EQ(content("text/plain", R"({"n":1})"), R"("{\"n\":1}")");
  EXPECT_EQ(content("text/plain", ""), R"("")");
}

TEST_F(HttpPerformer, headers_are_kept_only_where_the_task_asks_for_them) {
  EXPECT_EQ(answered(200, "application/json", "[1]").output.find("x-limit"), std::string::npos);
  EXPECT_EQ(
      answered(200, "application/json", "[1]", "response").output,
      R"({"request":{"method":"GET","uri":")" + server_.url() +
          R"(/a","headers":{"x-a":"b"}},"statusCode":200,"headers":{"content-length":"3","content-type":"application/json",)"
          R"("x-limit":"7"},"content":[1]})");
}

TEST_F(HttpPerformer, an_answer_that_is_not_text_fails_and_comes_raw_as_base64) {
  EXPECT_EQ(answered(200, "application/json", "\xff\x0f\x3e", "raw").output, R"("/w8+")");
  EXPECT_EQ(answered(200, "text/plain", "a", "raw").output, R"("YQ==")");
  for (const std::string_view output : {"", "response"}) {
    const shard::Outcome outcome = answered(200, "image/png", "\xff\x0f\x3e", output);
    EXPECT_FALSE(outcome.ok);
    EXPECT_EQ(outcome.code, "invalid");
    EXPECT_NE(outcome.message.find("not UTF-8 text; with 'output: raw'"), std::string::npos) << outcome.message;
  }
}

TEST_F(HttpPerformer, an_answer_of_any_status_is_an_outcome) {
  const shard::Outcome absent = answered(404, "application/json", R"({"message":"gone"})");
  EXPECT_TRUE(absent.ok);
  EXPECT_EQ(absent.status, 404U);
  EXPECT_EQ(absent.output, R"({"message":"gone"})");
  const shard::Outcome unreadable = answered(404, "text/html; charset=iso-8859-1", "\xe4");
  EXPECT_TRUE(unreadable.ok);
  EXPECT_EQ(unreadable.status, 404U);
  EXPECT_EQ(unreadable.output, "null");
  const shard::Outcome busy = answered(503, "text/plain", "later");
  EXPECT_TRUE(busy.ok);
  EXPECT_EQ(busy.status, 503U);
  EXPECT_EQ(busy.output, "\"later\"");
}

TEST_F(HttpPerformer, what_may_have_been_done_before_the_process_ended_is_done_again_only_where_twice_is_as_once) {
  for (const std::string_view method : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH", "PROPPATCH"}) {
    const bool may_be_repeated = is_idempotent(method);
    EXPECT_TRUE(answered(200, "text/plain", method == "HEAD" ? "" : "a", "", method).ok) << method;
    const std::size_t before = server_.requests().size();
    const shard::Outcome outcome = answered(200, "text/plain", method == "HEAD" ? "" : "a", "", method, 2);
    EXPECT_EQ(outcome.ok, may_be_repeated) << method;
    EXPECT_EQ(outcome.code, may_be_repeated ? "" : "unavailable");
    EXPECT_EQ(server_.requests().size() - before, may_be_repeated ? 1U : 0U) << method;
  }
  EXPECT_TRUE(is_idempotent("DELETE"));
  EXPECT_FALSE(is_idempotent("POST"));
}

}  // namespace
}  // namespace trv::effects
