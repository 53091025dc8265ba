// HTTP that a plugin serves, through the layer. Compiled as C++20.

#include "sdk/cpp/web.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"
#include "sdk/cpp/plugin.hpp"

namespace trv::sdk {
namespace {

using conformance::CallOutcome;
using conformance::FakeHost;
using conformance::HttpAnswer;
using conformance::WebFacts;

class Notes : public Plugin {
 public:
  static Operations<Notes> operations() { return {{"confused", &Notes::confused}}; }

  Task serve(Call& call) {
    const WebRequest& request = call.request();
    if (request.path == "/who") {
      co_return text_response(200, request.method + " " + call.tenant() + " " + request.principal + " " +
                                       request.principal_name + " " + request.role + " " + request.query + " " +
                                       request.parameter("a b").value_or("-") + " " +
                                       std::string(request.header("ACCEPT").value_or("-")) + " " + request.body);
    }
    if (request.path == "/fetched") {
      auto sent = call.http(get("/x"));
      co_await sent;
      if (!sent) co_return sent.failure();
      co_return Response{.status = sent->status, .headers = {{"etag", "1"}}, .body = sent->body};
    }
    if (request.path == "/kept") {
      auto kept = call.kv().put("last", std::string_view("7"));
      co_await kept;
      if (!kept) co_return kept.failure();
      co_return json_response(201, std::string_view(R"({"kept":true})"));
    }
    if (request.path == "/as-an-operation") co_return std::string("7");
    if (request.path == "/throws") throw std::runtime_error("a defect");
    co_return Failure{.code = Code::not_found, .message = "there is no such thing"};
  }

 private:
  Task confused(Call&) { co_return text_response(200, "not a request"); }
};

class Silent : public Plugin {
 public:
  static Operations<Silent> operations() { return {}; }
};

struct NotesName {
  static constexpr std::string_view id = "notes";
  static constexpr std::string_view version = "1.0.0";
};

class WebTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(host_.activate()); }
  CallOutcome ask(std::string path, const std::vector<conformance::HttpStep>& steps = {}) {
    return host_.request({.path = std::move(path)}, steps);
  }
  FakeHost host_{Entry<Notes, NotesName>::entry};
};

TEST_F(WebTest, a_request_arrives_whole_and_its_response_goes_back) {
  ASSERT_TRUE(host_.serves());
  const CallOutcome outcome = host_.request({.method = "POST",
                                             .path = "/who",
                                             .query = "a+b=%20x%41&c",
                                             .headers = {{"accept", "y"}},
                                             .body = "body",
                                             .role = "viewer"});
  ASSERT_TRUE(outcome.response);
  EXPECT_EQ(outcome.response->body, "POST acme token:t1 Ada viewer a+b=%20x%41&c  xA y body");
  EXPECT_EQ(outcome.response->status, 200);
  EXPECT_EQ(outcome.response->headers.at(0).second, "text/plain; charset=utf-8");
  EXPECT_TRUE(host_.faults().empty());
}

TEST_F(WebTest, a_request_asks_the_host_as_an_operation_does) {
  const CallOutcome fetched = ask("/fetched", {HttpAnswer{206, "part"}});
  ASSERT_TRUE(fetched.response);
  EXPECT_EQ(fetched.response->status, 206);
  EXPECT_EQ(fetched.response->body, "part");
  const CallOutcome kept = ask("/kept");
  ASSERT_TRUE(kept.response);
  EXPECT_EQ(kept.response->status, 201);
  EXPECT_EQ(kept.response->headers.at(0).second, "application/json");
  EXPECT_TRUE(host_.faults().empty());
}

TEST_F(WebTest, what_fails_a_request_fails_its_call) {
  EXPECT_EQ(ask("/x").code(), TRV_ERROR_NOT_FOUND);
  EXPECT_EQ(ask("/throws").code(), TRV_ERROR_INTERNAL);
  const std::uint64_t open = host_.begin_request({.path = "/fetched"});
  host_.cancel(open);
  EXPECT_EQ(host_.outcome(open)->code(), TRV_ERROR_CANCELLED);
  EXPECT_TRUE(host_.faults().empty());
}

TEST_F(WebTest, the_fake_host_notes_an_answer_of_the_wrong_kind) {
  EXPECT_TRUE(ask("/as-an-operation").succeeded());
  EXPECT_TRUE(host_.call({.operation = "confused"}).succeeded());
  EXPECT_THAT(host_.faults(), testing::ElementsAre(testing::HasSubstr("was answered as an operation"),
                                                   testing::HasSubstr("was answered as a request")));
}

TEST(WebLayer, a_class_without_serve_has_no_extension) {
  FakeHost host{Entry<Silent, NotesName>::entry};
  EXPECT_FALSE(host.serves());
}

TEST(WebLayer, texts_of_a_query_are_decoded) {
  EXPECT_EQ(decoded("%41%2f%zz%4"), "A/%zz%4");
  EXPECT_EQ(decoded("a+b"), "a+b");
  const WebRequest request{.query = "&=x&a=1=2&a=3&b"};
  EXPECT_EQ(request.parameter("a"), "1=2");
  EXPECT_EQ(request.parameter("b"), "");
  EXPECT_EQ(request.parameter(""), "");
  EXPECT_EQ(request.parameter("c"), std::nullopt);
}

}  // namespace
}  // namespace trv::sdk
