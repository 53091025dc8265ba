#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"

namespace gitlab {
namespace {

namespace json = boost::json;
using trv::conformance::CallOutcome;
using trv::conformance::FakeHost;
using trv::conformance::HttpAnswer;

class GitlabTest : public testing::Test {
 protected:
  GitlabTest() : host(trv_entry_v1) { EXPECT_TRUE(host.activate()); }
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

TEST_F(GitlabTest, a_project_is_one_segment_whatever_its_groups) {
  const CallOutcome outcome = call(
      "create-issue", R"({"project":"a/b/hello","title":"It broke","labels":"bug"})",
      {201,
       R"({"id":1,"iid":7,"web_url":"u","title":"It broke","state":"opened","labels":["bug"],"author":{"username":"ada"},"description":null})"});
  EXPECT_EQ(outcome.output,
            R"({"iid":7,"url":"u","title":"It broke","state":"opened","author":"ada","labels":["bug"],"id":1})");
  EXPECT_EQ(sent(), "POST /projects/a%2Fb%2Fhello/issues");
  EXPECT_EQ(body(), json::parse(R"({"title":"It broke","labels":"bug"})"));
}

TEST_F(GitlabTest, a_list_is_read_page_by_page) {
  const char* next = R"(<https://gitlab.com/api/v4/projects/1/issues?page=2&per_page=2>; rel="next")";
  const CallOutcome outcome =
      host.call({.operation = "list-issues", .input = R"({"project":"1","state":"opened","limit":2})"},
                {HttpAnswer{200, R"([{"iid":1}])", {{"Link", next}}}, HttpAnswer{200, R"([{"iid":2}])"}});
  EXPECT_EQ(outcome.output, R"({"items":[{"iid":1},{"iid":2}],"has_more":false})");
  EXPECT_EQ(sent(), "GET /projects/1/issues?state=opened&per_page=2&page=2");
}

TEST_F(GitlabTest, a_file_is_read_as_text_and_written_as_it_is) {
  const CallOutcome read =
      call("get-file", R"({"project":"1","path":"docs/a.md","ref":"main"})",
           {200, R"({"file_path":"docs/a.md","size":3,"encoding":"base64","content":"SGkK","blob_id":"b"})"});
  EXPECT_EQ(read.output, R"({"blob_id":"b","path":"docs/a.md","size":3,"content":"Hi\n","content_base64":"SGkK"})");
  EXPECT_EQ(sent(), "GET /projects/1/repository/files/docs%2Fa.md?ref=main");
  (void)call("update-file", R"({"project":"1","path":"a","branch":"main","content":"Hi\n","message":"m"})",
             {200, R"({"file_path":"a","branch":"main"})"});
  EXPECT_EQ(body(), json::parse(R"({"branch":"main","content":"Hi\n","commit_message":"m"})"));
}

TEST_F(GitlabTest, its_reasons_are_read_whatever_their_shape) {
  const auto message = [&](int status, const char* text) {
    return call("get-issue", R"({"project":"a/b","iid":7})", {status, text}).error->message;
  };
  EXPECT_EQ(message(404, R"({"message":"404 Project Not Found"})"),
            "GitLab answered 404 for a/b#7: 404 Project Not Found");
  EXPECT_EQ(message(400, R"({"message":{"title":["can't be blank"],"base":["no"]}})"),
            "GitLab answered 400 for a/b#7: title: can't be blank; base: no");
  EXPECT_EQ(message(400, R"({"error":"iid is invalid"})"), "GitLab answered 400 for a/b#7: iid is invalid");
  EXPECT_EQ(message(502, "<html>"), "GitLab answered 502 for a/b#7: no reason given");
}

TEST_F(GitlabTest, a_used_up_limit_has_the_time_to_wait) {
  const CallOutcome outcome =
      call("get-issue", R"({"project":"1","iid":7})",
           {429, "", {{"RateLimit-Reset", "784111787"}, {"Date", "Sun, 06 Nov 1994 08:49:37 GMT"}}});
  EXPECT_EQ(outcome.code(), TRV_ERROR_EXHAUSTED);
  EXPECT_EQ(outcome.error->retry_after_ms, 10'000U);
}

TEST_F(GitlabTest, what_must_be_given_is_asked_for_by_name) {
  EXPECT_EQ(call("create-merge-request", R"({"project":"1","title":"t","source_branch":"a"})", {}).error->message,
            "input: target_branch: is missing");
  EXPECT_EQ(call("get-file", R"({"project":"1","path":"a"})", {}).error->message, "input: ref: is missing");
  EXPECT_EQ(call("get-issue", R"({"project":"..","iid":7})", {}).code(), TRV_ERROR_INVALID);
  EXPECT_THAT(host.requests(), testing::IsEmpty());
}

}  // namespace
}  // namespace gitlab
