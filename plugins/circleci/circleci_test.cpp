#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"

namespace circleci {
namespace {

namespace json = boost::json;
using trv::conformance::CallOutcome;
using trv::conformance::FakeHost;
using trv::conformance::HttpAnswer;

class CircleciTest : public testing::Test {
 protected:
  CircleciTest() : host(trv_entry_v1) { EXPECT_TRUE(host.activate()); }
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

TEST_F(CircleciTest, a_pipeline_is_started_for_a_project_of_several_segments) {
  const CallOutcome outcome =
      call("trigger-pipeline", R"({"project":"gh/octo-org/hello","branch":"main","parameters":{"level":"all"}})",
           {201, R"({"id":"p","number":25,"state":"pending","created_at":"2026-11-23T07:00:00Z"})"});
  EXPECT_EQ(outcome.output, R"({"id":"p","number":25,"state":"pending","created":"2026-11-23T07:00:00Z"})");
  EXPECT_EQ(sent(), "POST /project/gh/octo-org/hello/pipeline");
  EXPECT_EQ(body(), json::parse(R"({"branch":"main","parameters":{"level":"all"}})"));
}

TEST_F(CircleciTest, a_list_gives_the_cursor_of_the_next_page) {
  const CallOutcome outcome = call(
      "list-jobs", R"({"workflow_id":"w","cursor":"a=b"})",
      {200,
       R"({"items":[{"id":"j","name":"hold","type":"approval","status":"on_hold","approval_request_id":"r"}],"next_page_token":"next"})"});
  EXPECT_EQ(
      outcome.output,
      R"({"items":[{"id":"j","name":"hold","status":"on_hold","type":"approval","approval_request_id":"r"}],"next_cursor":"next"})");
  EXPECT_EQ(sent(), "GET /workflow/w/job?page-token=a%3Db");
  EXPECT_EQ(call("list-jobs", R"({"workflow_id":"w"})", {200, R"({"items":[],"next_page_token":null})"}).output,
            R"({"items":[]})");
}

TEST_F(CircleciTest, a_job_is_approved_without_a_body) {
  EXPECT_EQ(call("approve-job", R"({"workflow_id":"w","approval_request_id":"r"})", {202, R"({"message":"Accepted."})"})
                .output,
            "{}");
  EXPECT_EQ(sent(), "POST /workflow/w/approve/r");
  EXPECT_EQ(host.requests().back().body, "");
}

TEST_F(CircleciTest, its_reason_is_in_the_failure) {
  const CallOutcome outcome =
      call("get-workflow", R"({"workflow_id":"w"})", {404, R"({"message":"Workflow not found"})"});
  EXPECT_EQ(outcome.code(), TRV_ERROR_NOT_FOUND);
  EXPECT_EQ(outcome.error->message, "CircleCI answered 404 for workflow w: Workflow not found");
}

TEST_F(CircleciTest, a_project_leads_nowhere_else) {
  for (const char* input : {R"({"project":"gh/../x"})", R"({"project":"gh//x"})", R"({"project":""})"})
    EXPECT_EQ(call("trigger-pipeline", input, {}).code(), TRV_ERROR_INVALID);
  EXPECT_THAT(host.requests(), testing::IsEmpty());
}

}  // namespace
}  // namespace circleci
