#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"

namespace slack {
namespace {

namespace json = boost::json;
using trv::conformance::CallOutcome;
using trv::conformance::FakeHost;
using trv::conformance::HttpAnswer;

class SlackTest : public testing::Test {
 protected:
  SlackTest() : host(trv_entry_v1) { EXPECT_TRUE(host.activate()); }
  void TearDown() override { EXPECT_THAT(host.faults(), testing::IsEmpty()); }

  CallOutcome post(const HttpAnswer& answer, const char* input = R"({"channel":"C1","text":"Hello"})") {
    return host.call({.operation = "post-message", .input = input}, {answer});
  }
  FakeHost host;
};

TEST_F(SlackTest, a_message_is_posted_as_json) {
  const CallOutcome outcome =
      post({200, R"({"ok":true,"channel":"C1","ts":"1503435956.000247","message":{"text":"Hello"}})"});
  EXPECT_EQ(outcome.output, R"({"channel":"C1","ts":"1503435956.000247"})");
  const auto request = host.requests().at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/chat.postMessage");
  EXPECT_EQ(request.header("content-type"), "application/json; charset=utf-8");
  EXPECT_EQ(json::parse(request.body), json::parse(R"({"channel":"C1","text":"Hello"})"));
}

TEST_F(SlackTest, thread_and_blocks_go_along) {
  (void)post({200, R"({"ok":true,"channel":"C1","ts":"2"})"},
             R"({"channel":"C1","text":"Hello","thread_ts":"1.2","blocks":[{"type":"divider"}]})");
  EXPECT_EQ(json::parse(host.requests().at(0).body),
            json::parse(R"({"channel":"C1","text":"Hello","thread_ts":"1.2","blocks":[{"type":"divider"}]})"));
}

TEST_F(SlackTest, a_200_that_says_not_ok_is_a_failure_with_slacks_word) {
  const CallOutcome outcome = post({200, R"({"ok":false,"error":"channel_not_found"})"});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, TRV_ERROR_NOT_FOUND);
  EXPECT_EQ(outcome.error->message, "Slack refused the message to C1: channel_not_found");
  EXPECT_EQ(outcome.error->retry, TRV_RETRY_NEVER);
}

TEST_F(SlackTest, slacks_words_ask_for_different_reactions) {
  const auto code = [&](const std::string& word) {
    return post({200, R"({"ok":false,"error":")" + word + "\"}"}).code();
  };
  EXPECT_EQ(code("invalid_auth"), TRV_ERROR_UNAUTHENTICATED);
  EXPECT_EQ(code("not_in_channel"), TRV_ERROR_DENIED);
  EXPECT_EQ(code("ratelimited"), TRV_ERROR_EXHAUSTED);
  EXPECT_EQ(code("internal_error"), TRV_ERROR_UNAVAILABLE);
  EXPECT_EQ(code("a_word_of_tomorrow"), TRV_ERROR_INVALID);
}

TEST_F(SlackTest, a_429_tells_how_long_to_wait) {
  const CallOutcome outcome = post({429, "", {{"Retry-After", "30"}}});
  EXPECT_EQ(outcome.code(), TRV_ERROR_EXHAUSTED);
  EXPECT_EQ(outcome.error->retry, TRV_RETRY_SAFE);
  EXPECT_EQ(outcome.error->retry_after_ms, 30'000U);
}

TEST_F(SlackTest, a_5xx_may_be_retried_and_nonsense_may_not) {
  EXPECT_EQ(post({503, "upstream"}).error->retry, TRV_RETRY_SAFE);
  EXPECT_EQ(post({200, "<html>"}).error->retry, TRV_RETRY_NEVER);
  EXPECT_EQ(post({200, R"({"ok":1})"}).code(), TRV_ERROR_INVALID);
}

TEST_F(SlackTest, a_message_without_text_is_not_sent) {
  EXPECT_EQ(post({}, R"({"channel":"C1"})").error->message, "input: text: is missing");
  EXPECT_TRUE(host.requests().empty());
}

TEST_F(SlackTest, a_message_is_changed_in_its_place) {
  const CallOutcome outcome =
      host.call({.operation = "update-message", .input = R"({"channel":"C1","ts":"1.2","text":"Done"})"},
                {HttpAnswer{200, R"({"ok":true,"channel":"C1","ts":"1.2","text":"Done"})"}});
  EXPECT_EQ(outcome.output, R"({"channel":"C1","ts":"1.2"})");
  EXPECT_EQ(host.requests().at(0).path, "/chat.update");
  EXPECT_EQ(json::parse(host.requests().at(0).body), json::parse(R"({"channel":"C1","ts":"1.2","text":"Done"})"));
}

TEST_F(SlackTest, a_list_gives_the_cursor_of_the_next_page_until_the_end) {
  const auto list = [&](const std::string& cursor) {
    return host.call(
        {.operation = "list-channels", .input = R"({"types":"public_channel,private_channel","limit":2})"},
        {HttpAnswer{
            200,
            R"({"ok":true,"channels":[{"id":"C1","name":"a","is_private":false}],"response_metadata":{"next_cursor":")" +
                cursor + R"("}})"}});
  };
  EXPECT_EQ(list("dGVhb==").output, R"({"items":[{"id":"C1","name":"a","is_private":false}],"next_cursor":"dGVhb=="})");
  EXPECT_EQ(list("").output, R"({"items":[{"id":"C1","name":"a","is_private":false}]})");
  EXPECT_EQ(host.requests().at(0).method, "GET");
  EXPECT_EQ(host.requests().at(0).path, "/conversations.list?types=public_channel%2Cprivate_channel&limit=2");
  EXPECT_EQ(host.requests().at(0).body, "");
}

TEST_F(SlackTest, a_user_is_found_by_address) {
  const CallOutcome outcome =
      host.call({.operation = "find-user", .input = R"({"email":"ada+x@example.com"})"},
                {HttpAnswer{200, R"({"ok":true,"user":{"id":"U1","name":"ada","tz":"Europe/London"}})"}});
  EXPECT_EQ(outcome.output, R"({"id":"U1","name":"ada","tz":"Europe/London"})");
  EXPECT_EQ(host.requests().at(0).path, "/users.lookupByEmail?email=ada%2Bx%40example.com");
}

}  // namespace
}  // namespace slack
