#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"

namespace jenkins {
namespace {

using trv::conformance::CallOutcome;
using trv::conformance::FakeHost;
using trv::conformance::HttpAnswer;

class JenkinsTest : public testing::Test {
 protected:
  JenkinsTest() : host(trv_entry_v1) { EXPECT_TRUE(host.activate()); }
  void TearDown() override { EXPECT_THAT(host.faults(), testing::IsEmpty()); }

  CallOutcome call(const char* operation, const char* input, const HttpAnswer& answer) {
    return host.call({.operation = operation, .input = input}, {answer});
  }
  [[nodiscard]] std::string sent() const {
    const auto request = host.requests().back();
    return request.method + " " + request.path;
  }
  FakeHost host;
};

TEST_F(JenkinsTest, a_build_is_started_with_parameters_and_its_place_in_the_queue_given) {
  const CallOutcome outcome =
      call("build-with-parameters", R"({"job":"a/job/b c","parameters":{"LEVEL":"a b","DRY":false,"N":3}})",
           {201, "", {{"Location", "https://ci.example.com/queue/item/12/"}}});
  EXPECT_EQ(outcome.output, R"({"queue_url":"https://ci.example.com/queue/item/12/"})");
  EXPECT_EQ(sent(), "POST /job/a/job/b%20c/buildWithParameters?LEVEL=a%20b&DRY=false&N=3");
}

TEST_F(JenkinsTest, an_answer_without_its_place_in_the_queue_is_not_asked_for_again) {
  const CallOutcome outcome = call("build", R"({"job":"a"})", {201, ""});
  EXPECT_EQ(outcome.code(), TRV_ERROR_UNAVAILABLE);
  EXPECT_EQ(outcome.error->retry, TRV_RETRY_NEVER);
}

TEST_F(JenkinsTest, a_build_is_read_by_number_or_name) {
  const CallOutcome outcome = call(
      "get-build", R"({"job":"a","build":"lastBuild"})",
      {200, R"({"number":3,"url":"u","building":false,"result":"SUCCESS","duration":12,"timestamp":1600000000000})"});
  EXPECT_EQ(outcome.output,
            R"({"number":3,"url":"u","building":false,"result":"SUCCESS","duration":12,"started":1600000000000})");
  EXPECT_EQ(sent(), "GET /job/a/lastBuild/api/json");
}

TEST_F(JenkinsTest, what_waits_has_no_build_yet) {
  EXPECT_EQ(call("get-queue-item", R"({"id":12})", {200, R"({"id":12,"why":"In the quiet period","cancelled":false})"})
                .output,
            R"({"id":12,"why":"In the quiet period","cancelled":false})");
  EXPECT_EQ(call("get-queue-item", R"({"id":12})", {200, R"({"id":12,"why":null,"executable":{"number":3,"url":"u"}})"})
                .output,
            R"({"id":12,"build_number":3,"build_url":"u"})");
}

TEST_F(JenkinsTest, builds_are_listed) {
  EXPECT_EQ(
      call("list-builds", R"({"job":"a"})", {200, R"({"_class":"x","builds":[{"number":3,"result":null}]})"}).output,
      R"({"items":[{"number":3}]})");
  EXPECT_EQ(sent(),
            "GET /job/a/api/json?tree=builds%5Bnumber,url,building,result,duration,timestamp,fullDisplayName%5D");
}

TEST_F(JenkinsTest, a_page_of_html_is_a_failure_without_a_reason) {
  const CallOutcome outcome = call("get-job", R"({"job":"a"})", {404, "<html>Not found</html>"});
  EXPECT_EQ(outcome.code(), TRV_ERROR_NOT_FOUND);
  EXPECT_EQ(outcome.error->message, "Jenkins answered 404 for job a: no reason given");
}

}  // namespace
}  // namespace jenkins
