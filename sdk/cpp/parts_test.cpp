// Answers in parts, through the layer. Compiled as C++20.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/abi/ext/stream.h"
#include "sdk/conformance/fake_host.hpp"
#include "sdk/cpp/plugin.hpp"

namespace trv::sdk {
namespace {

using conformance::CallOutcome;
using conformance::FakeHost;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Response of_text = {.status = 200, .headers = {{"content-type", "text/plain"}}, .body = {}};

class Reporter : public Plugin {
 public:
  static Operations<Reporter> operations() { return {{"confused", &Reporter::confused}}; }

  Task serve(Call& call) {
    const std::string& path = call.request().path;
    if (path == "/first") {
      auto out = call.respond_in_parts({.status = 201, .headers = {{"etag", "1"}}, .body = std::string(100'000, 'f')});
      co_return out.end();
    }
    auto out = call.respond_in_parts(of_text);
    if (path == "/lines") {
      for (int i = 1; i <= 3; ++i) {
        auto kept = call.kv().put("line", std::to_string(i));
        co_await kept;
        auto written = out.write("line " + std::to_string(i) + "\n");
        co_await written;
        if (!written) co_return written.failure();
      }
      co_return out.end();
    }
    if (path == "/large") {
      auto written = out.write(std::string(3'000'000, 'x'));
      co_await written;
      if (!written) co_return written.failure();
      co_return out.end();
    }
    if (path == "/in-order") {
      auto first = out.write(std::string(300'000, 'a'));
      auto second = out.write("b");
      co_await second;
      co_await first;
      co_return out.end();
    }
    if (path == "/hasty") {
      auto written = out.write(std::string(300'000, 'a'));
      co_return out.end();
    }
    if (path == "/whole-after") co_return text_response(200, "whole");
    if (path == "/throws") throw std::runtime_error("a defect");
    co_return Failure{.code = Code::not_found, .message = "there is no such thing"};
  }

 private:
  Task confused(Call& call) {
    auto out = call.respond_in_parts(of_text);
    co_return out.end();
  }
};

struct ReporterName {
  static constexpr std::string_view id = "reporter";
  static constexpr std::string_view version = "1.0.0";
};

class PartsTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(host_.activate()); }
  FakeHost host_{Entry<Reporter, ReporterName>::entry};
};

TEST_F(PartsTest, parts_go_out_one_by_one_and_make_one_answer) {
  const CallOutcome lines = host_.request({.path = "/lines"});
  ASSERT_TRUE(lines.response);
  EXPECT_EQ(lines.response->status, 200);
  EXPECT_EQ(lines.response->body, "line 1\nline 2\nline 3\n");
  const CallOutcome first = host_.request({.path = "/first"});
  ASSERT_TRUE(first.response);
  EXPECT_EQ(first.response->status, 201);
  EXPECT_EQ(first.response->body, std::string(100'000, 'f'));
  const CallOutcome large = host_.request({.path = "/large"});
  ASSERT_TRUE(large.response);
  EXPECT_EQ(large.response->body, std::string(3'000'000, 'x'));
  EXPECT_EQ(host_.request({.path = "/in-order"}).response->body, std::string(300'000, 'a') + "b");
  EXPECT_THAT(host_.faults(), IsEmpty());
}

TEST_F(PartsTest, a_client_that_takes_nothing_holds_up_who_writes) {
  host_.client_waits();
  const std::uint64_t call = host_.begin_request({.path = "/large"});
  ASSERT_TRUE(host_.parts(call));
  EXPECT_EQ(host_.parts(call)->body.size(), static_cast<std::size_t>(TRV_STREAM_ROOM_BYTES));
  host_.client_takes(call, 1'000);
  EXPECT_EQ(host_.parts(call)->body.size(), TRV_STREAM_ROOM_BYTES + 1'000U);
  EXPECT_FALSE(host_.outcome(call));
  for (int i = 0; i < 100 && !host_.outcome(call); ++i) host_.client_takes(call, 100'000);
  ASSERT_TRUE(host_.outcome(call));
  EXPECT_EQ(host_.outcome(call)->response->body.size(), 3'000'000U);
  EXPECT_THAT(host_.faults(), IsEmpty());
}

TEST_F(PartsTest, what_fails_after_the_head_is_no_whole_answer) {
  EXPECT_THAT(host_.request({.path = "/throws"}).error->message, HasSubstr("a defect"));
  EXPECT_EQ(host_.request({.path = "/nothing"}).error->code, TRV_ERROR_NOT_FOUND);
  host_.client_waits();
  EXPECT_THAT(host_.request({.path = "/hasty"}).error->message, HasSubstr("co_await written;"));
  const std::uint64_t call = host_.begin_request({.path = "/large"});
  host_.cancel(call);
  EXPECT_EQ(host_.outcome(call)->error->code, TRV_ERROR_CANCELLED);
  EXPECT_THAT(host_.faults(), IsEmpty());
}

TEST_F(PartsTest, the_fake_notes_who_answers_an_operation_in_parts) {
  (void)host_.call({.operation = "confused"});
  EXPECT_THAT(host_.faults(), testing::Contains(HasSubstr("answers a call of an operation")));
}

TEST(PartsHostTest, a_host_without_streams_is_a_failure_of_what_is_written) {
  FakeHost host(Entry<Reporter, ReporterName>::entry, {}, {.offers_stream = false});
  ASSERT_TRUE(host.activate());
  const CallOutcome lines = host.request({.path = "/lines"});
  ASSERT_TRUE(lines.error);
  EXPECT_EQ(lines.error->code, TRV_ERROR_DENIED);
  EXPECT_THAT(lines.error->message, HasSubstr("trv.stream/1"));
  EXPECT_THAT(host.faults(), IsEmpty());
}

}  // namespace
}  // namespace trv::sdk
