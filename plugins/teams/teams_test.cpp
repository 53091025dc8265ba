#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"

namespace teams {
namespace {

namespace json = boost::json;
using trv::conformance::CallOutcome;
using trv::conformance::FakeHost;
using trv::conformance::HttpAnswer;

class TeamsTest : public testing::Test {
 protected:
  TeamsTest() : host(trv_entry_v1) { EXPECT_TRUE(host.activate()); }
  void TearDown() override { EXPECT_THAT(host.faults(), testing::IsEmpty()); }

  CallOutcome call(const char* operation, const char* input, const HttpAnswer& answer) {
    return host.call({.operation = operation, .input = input}, {answer});
  }
  [[nodiscard]] std::string sent() const {
    const auto request = host.requests().back();
    return request.method + " " + request.path;
  }
  [[nodiscard]] json::value body() const { return json::parse(host.requests().back().body); }
  FakeHost host;
};

TEST_F(TeamsTest, a_message_is_html_unless_it_says_otherwise) {
  const CallOutcome outcome = call(
      "send-channel-message", R"({"team_id":"t","channel_id":"19:a@thread.tacv2","content":"<b>x</b>"})",
      {201,
       R"({"id":"1","webUrl":"u","createdDateTime":"2026-11-23T07:00:00Z","body":{"contentType":"html","content":"<b>x</b>"},"from":{"user":{"displayName":"Ada"}}})"});
  EXPECT_EQ(
      outcome.output,
      R"({"id":"1","url":"u","created":"2026-11-23T07:00:00Z","author":"Ada","content":"<b>x</b>","content_type":"html"})");
  EXPECT_EQ(sent(), "POST /teams/t/channels/19%3Aa%40thread.tacv2/messages");
  EXPECT_EQ(body(), json::parse(R"({"body":{"contentType":"html","content":"<b>x</b>"}})"));
  (void)call("send-chat-message", R"({"chat_id":"c","content":"x","content_type":"text","importance":"high"})",
             {201, R"({"id":"1"})"});
  EXPECT_EQ(body(), json::parse(R"({"body":{"contentType":"text","content":"x"},"importance":"high"})"));
}

TEST_F(TeamsTest, messages_and_channels_are_listed) {
  EXPECT_EQ(call("list-channel-messages", R"({"team_id":"t","channel_id":"c","limit":5})",
                 {200, R"({"@odata.count":1,"value":[{"id":"1","from":null}]})"})
                .output,
            R"({"items":[{"id":"1"}]})");
  EXPECT_EQ(sent(), "GET /teams/t/channels/c/messages?%24top=5");
  EXPECT_EQ(call("list-channels", R"({"team_id":"t"})",
                 {200, R"({"value":[{"id":"c","displayName":"General","membershipType":"standard"}]})"})
                .output,
            R"({"items":[{"id":"c","name":"General","type":"standard"}]})");
}

TEST_F(TeamsTest, graphs_reason_is_in_the_failure) {
  const CallOutcome outcome =
      call("list-channels", R"({"team_id":"t"})",
           {403, R"({"error":{"code":"Forbidden","message":"Missing scope","innerError":{"date":"x"}}})"});
  EXPECT_EQ(outcome.code(), TRV_ERROR_DENIED);
  EXPECT_EQ(outcome.error->message, "Microsoft Teams answered 403 for team t: Missing scope");
}

TEST_F(TeamsTest, a_throttled_call_has_the_time_to_wait) {
  const CallOutcome outcome = call("list-teams", "{}", {429, "", {{"Retry-After", "9"}}});
  EXPECT_EQ(outcome.code(), TRV_ERROR_EXHAUSTED);
  EXPECT_EQ(outcome.error->retry_after_ms, 9'000U);
}

}  // namespace
}  // namespace teams
