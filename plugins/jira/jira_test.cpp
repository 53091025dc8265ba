#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"

namespace jira {
namespace {

namespace json = boost::json;
using trv::conformance::CallOutcome;
using trv::conformance::FakeHost;
using trv::conformance::HttpAnswer;

constexpr const char* transitions =
    R"({"expand":"transitions","transitions":[{"id":"11","name":"To Do"},{"id":"31","name":"Done","to":{"name":"Done"}}]})";

class JiraTest : public testing::Test {
 protected:
  JiraTest() : host(trv_entry_v1) { EXPECT_TRUE(host.activate()); }
  void TearDown() override { EXPECT_THAT(host.faults(), testing::IsEmpty()); }
  FakeHost host;
};

TEST_F(JiraTest, an_issue_is_created_with_its_description_as_a_document) {
  const CallOutcome outcome = host.call(
      {.operation = "create-issue",
       .input =
           R"({"project":"OPS","issue_type":"Bug","summary":"It broke","description":"One\r\ntwo\n\n\nthree\n","labels":["urgent"]})"},
      {HttpAnswer{201, R"({"id":"10000","key":"OPS-24","self":"https://x.atlassian.net/rest/api/3/issue/10000"})"}});
  EXPECT_EQ(outcome.output, R"({"id":"10000","key":"OPS-24","self":"https://x.atlassian.net/rest/api/3/issue/10000"})");
  const auto request = host.requests().at(0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/rest/api/3/issue");
  EXPECT_EQ(json::parse(request.body), json::parse(R"({"fields":{
    "project":{"key":"OPS"},"issuetype":{"name":"Bug"},"summary":"It broke","labels":["urgent"],
    "description":{"type":"doc","version":1,"content":[
      {"type":"paragraph","content":[{"type":"text","text":"One"},{"type":"hardBreak"},{"type":"text","text":"two"}]},
      {"type":"paragraph","content":[{"type":"text","text":"three"}]}]}}})"));
}

TEST_F(JiraTest, what_is_not_given_is_not_sent) {
  (void)host.call({.operation = "create-issue", .input = R"({"project":"OPS","summary":"s"})"}, {HttpAnswer{500}});
  EXPECT_EQ(json::parse(host.requests().at(0).body),
            json::parse(R"({"fields":{"project":{"key":"OPS"},"issuetype":{"name":"Task"},"summary":"s"}})"));
}

TEST_F(JiraTest, jiras_reasons_become_one_readable_message) {
  const CallOutcome outcome = host.call(
      {.operation = "create-issue", .input = R"({"project":"OPS","summary":"s"})"},
      {HttpAnswer{400, R"({"errorMessages":["Nothing works."],"errors":{"project":"valid project is required"}})"}});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, TRV_ERROR_INVALID);
  EXPECT_EQ(outcome.error->message,
            "Jira answered 400 for a new issue in OPS: Nothing works.; project: valid project is required");
}

TEST_F(JiraTest, a_transition_by_id_needs_one_request) {
  const CallOutcome outcome = host.call(
      {.operation = "transition-issue", .input = R"({"issue":"OPS-1","transition":"31"})"}, {HttpAnswer{204, ""}});
  EXPECT_EQ(outcome.output, R"({"issue":"OPS-1","transition_id":"31"})");
  ASSERT_EQ(host.requests().size(), 1U);
  EXPECT_EQ(host.requests()[0].path, "/rest/api/3/issue/OPS-1/transitions");
  EXPECT_EQ(json::parse(host.requests()[0].body), json::parse(R"({"transition":{"id":"31"}})"));
}

TEST_F(JiraTest, a_transition_by_name_is_looked_up_first) {
  const CallOutcome outcome =
      host.call({.operation = "transition-issue", .input = R"({"issue":"OPS-1","transition":"done"})"},
                {HttpAnswer{200, transitions}, HttpAnswer{204, ""}});
  EXPECT_EQ(outcome.output, R"({"issue":"OPS-1","transition_id":"31"})");
  ASSERT_EQ(host.requests().size(), 2U);
  EXPECT_EQ(host.requests()[0].method, "GET");
  EXPECT_EQ(host.requests()[0].idempotency_key, "");
  EXPECT_EQ(host.requests()[1].idempotency_key, "acme/i1/t1/1");
}

TEST_F(JiraTest, a_transition_that_is_not_offered_is_a_conflict_that_lists_those_that_are) {
  const CallOutcome outcome =
      host.call({.operation = "transition-issue", .input = R"({"issue":"OPS-1","transition":"Closed"})"},
                {HttpAnswer{200, transitions}});
  EXPECT_EQ(outcome.code(), TRV_ERROR_CONFLICT);
  EXPECT_EQ(outcome.error->message,
            "issue OPS-1 offers no transition \"Closed\" in its state; it has \"To Do\", \"Done\"");
}

TEST_F(JiraTest, a_lookup_that_fails_ends_the_call_before_the_move) {
  const CallOutcome outcome =
      host.call({.operation = "transition-issue", .input = R"({"issue":"OPS-1","transition":"Done"})"},
                {HttpAnswer{404, R"({"errorMessages":["Issue does not exist"],"errors":{}})"}});
  EXPECT_EQ(outcome.code(), TRV_ERROR_NOT_FOUND);
  EXPECT_EQ(host.requests().size(), 1U);
}

TEST_F(JiraTest, busy_services_may_be_asked_again) {
  const char* input = R"({"project":"OPS","summary":"s"})";
  const CallOutcome limited =
      host.call({.operation = "create-issue", .input = input}, {HttpAnswer{429, "", {{"Retry-After", "5"}}}});
  EXPECT_EQ(limited.code(), TRV_ERROR_EXHAUSTED);
  EXPECT_EQ(limited.error->retry_after_ms, 5'000U);
  const CallOutcome broken = host.call({.operation = "create-issue", .input = input}, {HttpAnswer{503, ""}});
  EXPECT_EQ(broken.code(), TRV_ERROR_UNAVAILABLE);
  EXPECT_EQ(broken.error->retry, TRV_RETRY_SAFE);
}

TEST_F(JiraTest, a_comment_is_a_document) {
  const CallOutcome outcome =
      host.call({.operation = "add-comment", .input = R"({"issue":"OPS-1","body":"Thank you."})"},
                {HttpAnswer{201, R"({"id":"10","self":"https://x/10","body":{}})"}});
  EXPECT_EQ(outcome.output, R"({"id":"10","self":"https://x/10"})");
  EXPECT_EQ(host.requests()[0].path, "/rest/api/3/issue/OPS-1/comment");
  EXPECT_EQ(
      json::parse(host.requests()[0].body),
      json::parse(
          R"({"body":{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"Thank you."}]}]}})"));
}

TEST_F(JiraTest, an_issue_is_read_with_the_names_of_what_it_refers_to) {
  const CallOutcome outcome = host.call(
      {.operation = "get-issue", .input = R"({"issue":"OPS-1"})"},
      {HttpAnswer{
          200,
          R"({"key":"OPS-1","id":"1","fields":{"summary":"s","status":{"name":"Done"},"assignee":null,"labels":["a"],"priority":{"name":"High"}}})"}});
  EXPECT_EQ(outcome.output,
            R"({"key":"OPS-1","id":"1","summary":"s","status":"Done","priority":"High","labels":["a"]})");
}

TEST_F(JiraTest, an_update_sends_only_what_is_given) {
  const CallOutcome outcome =
      host.call({.operation = "update-issue", .input = R"({"issue":"OPS-1","summary":"t","priority":"Low"})"},
                {HttpAnswer{204, ""}});
  EXPECT_EQ(outcome.output, "{}");
  EXPECT_EQ(host.requests()[0].method, "PUT");
  EXPECT_EQ(json::parse(host.requests()[0].body),
            json::parse(R"({"fields":{"summary":"t","priority":{"name":"Low"}}})"));
}

TEST_F(JiraTest, a_search_gives_a_page_and_where_it_goes_on) {
  const CallOutcome outcome =
      host.call({.operation = "search", .input = R"({"jql":"project = OPS","limit":1})"},
                {HttpAnswer{200, R"({"issues":[{"key":"OPS-1","fields":{"summary":"s"}}],"nextPageToken":"abc"})"}});
  EXPECT_EQ(outcome.output, R"({"items":[{"key":"OPS-1","summary":"s"}],"next_cursor":"abc"})");
  const json::value body = json::parse(host.requests()[0].body);
  EXPECT_EQ(body.at("jql"), "project = OPS");
  EXPECT_EQ(body.at("maxResults"), 1);
  EXPECT_EQ(body.at("fields").at(0), "summary");
}

TEST_F(JiraTest, reasons_read_the_same_for_every_operation) {
  const CallOutcome outcome =
      host.call({.operation = "search", .input = R"({"jql":"x"})"},
                {HttpAnswer{400, R"({"errorMessages":["Error in the JQL Query"],"warningMessages":[]})"}});
  EXPECT_EQ(outcome.error->message, "Jira answered 400 for the search: Error in the JQL Query");
}

}  // namespace
}  // namespace jira
