#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"

namespace github {
namespace {

namespace json = boost::json;
using trv::conformance::CallError;
using trv::conformance::CallOutcome;
using trv::conformance::FakeHost;
using trv::conformance::HttpAnswer;

constexpr const char* comment_input = R"({"owner":"octo-org","repo":"hello","issue_number":7,"body":"Thank \"you\""})";
constexpr const char* labels_input = R"({"owner":"octo-org","repo":"hello","issue_number":7,"labels":["bug","p 1"]})";

class GithubTest : public testing::Test {
 protected:
  GithubTest() : host(trv_entry_v1) { EXPECT_TRUE(host.activate()); }
  void TearDown() override { EXPECT_THAT(host.faults(), testing::IsEmpty()); }

  CallOutcome comment(const HttpAnswer& answer) {
    return host.call({.operation = "create-comment", .input = comment_input, .connection = "github"}, {answer});
  }
  FakeHost host;
};

TEST_F(GithubTest, a_comment_is_posted_with_the_headers_that_github_asks_for) {
  const CallOutcome outcome =
      comment({201, R"({"id":42,"html_url":"https://github.com/octo-org/hello/issues/7#issuecomment-42","user":{}})"});
  EXPECT_EQ(outcome.output, R"({"id":42,"url":"https://github.com/octo-org/hello/issues/7#issuecomment-42"})");
  const auto request = host.requests().at(0);
  EXPECT_EQ(request.connection, "github");
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/repos/octo-org/hello/issues/7/comments");
  EXPECT_EQ(json::parse(request.body), json::parse(R"({"body":"Thank \"you\""})"));
  EXPECT_EQ(request.header("Accept"), "application/vnd.github+json");
  EXPECT_EQ(request.header("X-GitHub-Api-Version"), "2022-11-28");
  EXPECT_TRUE(request.header("User-Agent"));
}

TEST_F(GithubTest, labels_are_added_and_all_labels_come_back) {
  const CallOutcome outcome = host.call({.operation = "add-labels", .input = labels_input},
                                        {HttpAnswer{200, R"([{"id":1,"name":"bug"},{"id":2,"name":"p 1"}])"}});
  EXPECT_EQ(outcome.output, R"({"labels":["bug","p 1"]})");
  EXPECT_EQ(host.requests().at(0).path, "/repos/octo-org/hello/issues/7/labels");
  EXPECT_EQ(json::parse(host.requests().at(0).body), json::parse(R"({"labels":["bug","p 1"]})"));
}

TEST_F(GithubTest, a_missing_repository_is_not_found_with_githubs_words) {
  const CallOutcome outcome = comment({404, R"({"message":"Not Found","documentation_url":"x","status":"404"})"});
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, TRV_ERROR_NOT_FOUND);
  EXPECT_EQ(outcome.error->message, "GitHub answered 404 for octo-org/hello#7: Not Found");
  EXPECT_EQ(outcome.error->retry, TRV_RETRY_NEVER);
  EXPECT_EQ(outcome.error->status, 404);
}

TEST_F(GithubTest, a_validation_failure_names_the_field) {
  const CallOutcome outcome = comment(
      {422,
       R"({"message":"Validation Failed","errors":[{"resource":"IssueComment","code":"missing_field","field":"body"}]})"});
  EXPECT_EQ(outcome.code(), TRV_ERROR_INVALID);
  EXPECT_EQ(outcome.error->message,
            "GitHub answered 422 for octo-org/hello#7: Validation Failed (body: missing_field)");
}

TEST_F(GithubTest, a_plain_403_is_denied_and_401_is_unauthenticated) {
  EXPECT_EQ(comment({403, R"({"message":"Resource not accessible"})"}).code(), TRV_ERROR_DENIED);
  EXPECT_EQ(comment({401, R"({"message":"Bad credentials"})"}).code(), TRV_ERROR_UNAUTHENTICATED);
}

TEST_F(GithubTest, a_used_up_rate_limit_tells_how_long_to_wait) {
  const CallOutcome secondary = comment({403, R"({"message":"secondary rate limit"})", {{"retry-after", "60"}}});
  EXPECT_EQ(secondary.code(), TRV_ERROR_EXHAUSTED);
  EXPECT_EQ(secondary.error->retry, TRV_RETRY_SAFE);
  EXPECT_EQ(secondary.error->retry_after_ms, 60'000U);

  const CallOutcome primary = comment({403,
                                       "{}",
                                       {{"X-RateLimit-Remaining", "0"},
                                        {"X-RateLimit-Reset", "784111807"},
                                        {"Date", "Sun, 06 Nov 1994 08:49:37 GMT"}}});
  EXPECT_EQ(primary.code(), TRV_ERROR_EXHAUSTED);
  EXPECT_EQ(primary.error->retry_after_ms, 30'000U);
  EXPECT_EQ(comment({429, "{}"}).code(), TRV_ERROR_EXHAUSTED);
}

TEST_F(GithubTest, a_failing_service_or_network_may_be_retried) {
  const CallOutcome broken = comment({502, "<html>"});
  EXPECT_EQ(broken.code(), TRV_ERROR_UNAVAILABLE);
  EXPECT_EQ(broken.error->retry, TRV_RETRY_SAFE);
  const CallOutcome late = host.call({.operation = "create-comment", .input = comment_input},
                                     {CallError{.code = TRV_ERROR_TIMEOUT, .message = "no answer in 10 s"}});
  EXPECT_EQ(late.code(), TRV_ERROR_TIMEOUT);
  EXPECT_EQ(late.error->retry, TRV_RETRY_SAFE);
}

TEST_F(GithubTest, a_success_that_cannot_be_read_is_not_made_again) {
  const CallOutcome outcome = comment({201, "[]"});
  EXPECT_EQ(outcome.code(), TRV_ERROR_UNAVAILABLE);
  EXPECT_EQ(outcome.error->retry, TRV_RETRY_NEVER);
}

TEST_F(GithubTest, input_that_would_lead_to_another_path_is_invalid_or_encoded) {
  const auto with_repo = [&](const char* repo) {
    return host.call({.operation = "create-comment",
                      .input = std::string(R"({"owner":"o","issue_number":7,"body":"b","repo":")") + repo + "\"}"});
  };
  EXPECT_EQ(with_repo("..").code(), TRV_ERROR_INVALID);
  EXPECT_EQ(with_repo("").code(), TRV_ERROR_INVALID);
  EXPECT_TRUE(host.requests().empty());
  (void)with_repo("a/../b?c");
  EXPECT_EQ(host.requests().at(0).path, "/repos/o/a%2F..%2Fb%3Fc/issues/7/comments");
}

TEST_F(GithubTest, input_with_a_missing_or_wrong_member_names_it) {
  const CallOutcome outcome =
      host.call({.operation = "add-labels", .input = R"({"owner":"o","repo":"r","issue_number":"7"})"});
  EXPECT_EQ(outcome.code(), TRV_ERROR_INVALID);
  EXPECT_EQ(outcome.error->message, "input: issue_number: must be an integer");
}

constexpr const char* two_issues =
    R"([{"number":1,"html_url":"u1","title":"a","state":"open","body":null,"user":{"login":"ada"},
  "labels":[{"name":"bug"},{"name":"p1"}]},{"number":2,"html_url":"u2"}])";
constexpr const char* next_page =
    R"(<https://api.github.com/repositories/1/issues?page=2>; rel="next", <https://x>; rel="last")";

TEST_F(GithubTest, a_list_is_read_page_by_page_up_to_the_limit) {
  const CallOutcome outcome = host.call(
      {.operation = "list-issues",
       .input = R"({"owner":"o","repo":"r","state":"all","labels":["bug","p 1"],"limit":3})"},
      {HttpAnswer{200, two_issues, {{"Link", next_page}}}, HttpAnswer{200, two_issues, {{"Link", next_page}}}});
  ASSERT_TRUE(outcome.succeeded());
  EXPECT_EQ(host.requests().at(0).path, "/repos/o/r/issues?state=all&labels=bug%2Cp%201&per_page=3");
  EXPECT_EQ(host.requests().at(1).path, "/repos/o/r/issues?state=all&labels=bug%2Cp%201&per_page=3&page=2");
  EXPECT_EQ(host.requests().size(), 2U);
  const json::value output = json::parse(*outcome.output);
  EXPECT_EQ(output.at("items").as_array().size(), 3U);
  EXPECT_EQ(output.at("has_more"), true);
  EXPECT_EQ(output.at("items").at(0),
            json::parse(R"({"number":1,"url":"u1","title":"a","state":"open","author":"ada","labels":["bug","p1"]})"));
}

TEST_F(GithubTest, the_last_page_ends_a_list) {
  const CallOutcome outcome =
      host.call({.operation = "list-check-runs", .input = R"({"owner":"o","repo":"r","ref":"feature/x"})"},
                {HttpAnswer{200, R"({"total_count":1,"check_runs":[{"id":4,"name":"lint","status":"queued"}]})"}});
  EXPECT_EQ(outcome.output, R"({"items":[{"id":4,"name":"lint","status":"queued"}],"has_more":false})");
  EXPECT_EQ(host.requests().at(0).path, "/repos/o/r/commits/feature%2Fx/check-runs?per_page=30");
}

TEST_F(GithubTest, a_page_that_fails_ends_the_list) {
  const CallOutcome outcome = host.call({.operation = "list-issues", .input = R"({"owner":"o","repo":"r","limit":5})"},
                                        {HttpAnswer{200, two_issues, {{"Link", next_page}}}, HttpAnswer{503, ""}});
  EXPECT_EQ(outcome.code(), TRV_ERROR_UNAVAILABLE);
}

TEST_F(GithubTest, a_file_is_written_and_read_as_text) {
  const CallOutcome written =
      host.call({.operation = "put-content",
                 .input = R"({"owner":"o","repo":"r","path":"docs/a b.md","message":"m","content":"Hi\u00e9\n"})"},
                {HttpAnswer{201, R"({"content":{"sha":"s","html_url":"u"},"commit":{"sha":"c"}})"}});
  EXPECT_EQ(written.output, R"({"sha":"s","url":"u","commit":"c"})");
  EXPECT_EQ(host.requests().at(0).method, "PUT");
  EXPECT_EQ(host.requests().at(0).path, "/repos/o/r/contents/docs/a%20b.md");
  EXPECT_EQ(json::parse(host.requests().at(0).body), json::parse(R"({"message":"m","content":"SGnDqQo="})"));
  const auto read = [&](const char* content) {
    const CallOutcome outcome =
        host.call({.operation = "get-content", .input = R"({"owner":"o","repo":"r","path":"a","ref":"main"})"},
                  {HttpAnswer{200, std::string(R"({"sha":"s","content":")") + content + "\"}"}});
    return outcome.output.value_or("");
  };
  EXPECT_EQ(read("SGnD\\nqQo=\\n"),
            "{\"sha\":\"s\",\"content\":\"Hi\u00e9\\n\",\"content_base64\":\"SGnD\\nqQo=\\n\"}");
  EXPECT_EQ(read("/w=="), R"({"sha":"s","content_base64":"/w=="})");
  EXPECT_EQ(read("a"), R"({"sha":"s","content_base64":"a"})");
}

TEST_F(GithubTest, a_path_of_a_file_stays_in_the_repository) {
  for (const char* path : {"../secrets", "a/../../b", "a//b", "/a", ""}) {
    const CallOutcome outcome = host.call(
        {.operation = "get-content", .input = std::string(R"({"owner":"o","repo":"r","path":")") + path + "\"}"});
    EXPECT_EQ(outcome.code(), TRV_ERROR_INVALID) << path;
  }
  EXPECT_TRUE(host.requests().empty());
}

TEST_F(GithubTest, an_answer_without_a_body_is_a_success) {
  const CallOutcome outcome =
      host.call({.operation = "dispatch-workflow",
                 .input = R"({"owner":"o","repo":"r","workflow":"build.yml","ref":"main","inputs":{"a":"b"}})"},
                {HttpAnswer{204, ""}});
  EXPECT_EQ(outcome.output, "{}");
  EXPECT_EQ(json::parse(host.requests().at(0).body), json::parse(R"({"ref":"main","inputs":{"a":"b"}})"));
}

}  // namespace
}  // namespace github
