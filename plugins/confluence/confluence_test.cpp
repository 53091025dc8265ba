#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"

namespace confluence {
namespace {

namespace json = boost::json;
using trv::conformance::CallOutcome;
using trv::conformance::FakeHost;
using trv::conformance::HttpAnswer;

class ConfluenceTest : public testing::Test {
 protected:
  ConfluenceTest() : host(trv_entry_v1) { EXPECT_TRUE(host.activate()); }
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

TEST_F(ConfluenceTest, a_page_is_created_in_storage_format) {
  const CallOutcome outcome = call(
      "create-page", R"({"space_id":"9","title":"T","body":"<p>x</p>","parent_id":"8"})",
      {200,
       R"({"id":"1","title":"T","status":"current","spaceId":"9","parentId":"8","version":{"number":1},"_links":{"webui":"/spaces/OPS/pages/1"}})"});
  EXPECT_EQ(
      outcome.output,
      R"({"id":"1","title":"T","status":"current","space_id":"9","parent_id":"8","version":1,"path":"/spaces/OPS/pages/1"})");
  EXPECT_EQ(sent(), "POST /wiki/api/v2/pages");
  EXPECT_EQ(
      body(),
      json::parse(
          R"({"spaceId":"9","status":"current","title":"T","parentId":"8","body":{"representation":"storage","value":"<p>x</p>"}})"));
}

TEST_F(ConfluenceTest, a_change_names_its_version_and_another_one_is_a_conflict) {
  const CallOutcome outcome = call(
      "update-page", R"({"page_id":"1","title":"T","body":"<p>y</p>","version":2,"message":"m"})",
      {409,
       R"({"errors":[{"status":409,"code":"CONFLICT","title":"Version must be incremented when updating a page.","detail":null}]})"});
  EXPECT_EQ(
      body(),
      json::parse(
          R"({"id":"1","status":"current","title":"T","body":{"representation":"storage","value":"<p>y</p>"},"version":{"number":2,"message":"m"}})"));
  EXPECT_EQ(outcome.code(), TRV_ERROR_CONFLICT);
  EXPECT_EQ(outcome.error->message,
            "Confluence answered 409 for page 1: Version must be incremented when updating a page.");
}

TEST_F(ConfluenceTest, the_cursor_is_taken_out_of_the_link) {
  const CallOutcome outcome = call(
      "list-pages", R"({"space_id":"9","limit":1})",
      {200,
       R"({"results":[{"id":"1","title":"T"}],"_links":{"next":"/wiki/api/v2/pages?limit=1&cursor=eyJ%3D%3D&space-id=9"}})"});
  EXPECT_EQ(outcome.output, R"({"items":[{"id":"1","title":"T"}],"next_cursor":"eyJ=="})");
  EXPECT_EQ(sent(), "GET /wiki/api/v2/pages?space-id=9&limit=1");
  EXPECT_EQ(call("list-pages", R"({"cursor":"eyJ=="})", {200, R"({"results":[],"_links":{}})"}).output,
            R"({"items":[]})");
  EXPECT_EQ(sent(), "GET /wiki/api/v2/pages?cursor=eyJ%3D%3D");
}

TEST_F(ConfluenceTest, a_page_is_read_with_its_body) {
  const CallOutcome outcome =
      call("get-page", R"({"page_id":"1"})",
           {200, R"({"id":"1","body":{"storage":{"value":"<p>x</p>","representation":"storage"}}})"});
  EXPECT_EQ(outcome.output, R"({"id":"1","body":"<p>x</p>"})");
  EXPECT_EQ(sent(), "GET /wiki/api/v2/pages/1?body-format=storage");
  EXPECT_EQ(call("delete-page", R"({"page_id":"1"})", {204, ""}).output, "{}");
}

TEST_F(ConfluenceTest, a_search_is_encoded) {
  (void)call("search", R"({"cql":"text ~ \"a&b\""})", {200, R"({"results":[]})"});
  EXPECT_EQ(sent(), "GET /wiki/rest/api/search?cql=text%20~%20%22a%26b%22");
}

}  // namespace
}  // namespace confluence
