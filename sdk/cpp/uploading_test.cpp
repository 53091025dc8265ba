// Bodies in parts, through the layer. Compiled as C++20.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/conformance/fake_host.hpp"
#include "sdk/cpp/plugin.hpp"

namespace trv::sdk {
namespace {

using conformance::CallOutcome;
using conformance::FakeHost;
using testing::HasSubstr;
using testing::IsEmpty;

class Mover : public Plugin {
 public:
  static Operations<Mover> operations() { return {{"send", &Mover::send}, {"parts", &Mover::parts}}; }

  Task send(Call& call) {
    auto upload =
        call.upload(put("/file"), call.input() == "0" ? std::nullopt : std::optional<std::uint64_t>(3'000'000));
    int written = 0;
    for (; written < 30; ++written) {
      auto part = upload.write(std::string(100'000, 'x'));
      co_await part;
      if (!part) break;
    }
    upload.end();
    co_await upload;
    if (!upload) co_return upload.failure();
    co_return std::to_string(upload->status * 100 + written);
  }

  // Nothing is waited for: what has no room goes out later, and then the end.
  Task parts(Call& call) {
    auto upload = call.upload_in_parts(put("/file"));
    auto part = upload.write(std::string(1'000'000, 'x'));
    upload.end();
    co_await upload;
    if (!upload) co_return upload.failure();
    auto read = upload.next();
    co_await read;
    if (!read) co_return read.failure();
    co_return "\"" + read->bytes + "\"";
  }

  Task serve(Call& call) {
    std::size_t count = 0;
    auto body = call.read_body();
    for (;;) {
      auto part = body.next();
      co_await part;
      if (!part) co_return part.failure();
      if (part->is_last()) co_return text_response(200, std::to_string(count));
      count += part->bytes.size();
      if (call.request().path == "/first") co_return text_response(413, "enough");
    }
  }
};

struct MoverName {
  static constexpr std::string_view id = "mover";
  static constexpr std::string_view version = "1.0.0";
};

class Uploading : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(host_.activate()); }
  void TearDown() override { EXPECT_THAT(host_.faults(), IsEmpty()); }
  FakeHost host_{Entry<Mover, MoverName>::entry};
};

TEST_F(Uploading, what_is_written_is_the_body) {
  for (const char* input : {"0", "1"}) {
    const CallOutcome outcome =
        host_.call({.operation = "send", .input = input}, {conformance::HttpAnswer{.status = 201}});
    EXPECT_EQ(outcome.output, "20130");
    EXPECT_EQ(host_.requests().back().body, std::string(3'000'000, 'x'));
  }
  const CallOutcome outcome =
      host_.call({.operation = "parts"}, {conformance::HttpAnswer{.status = 200, .body = "taken"}});
  EXPECT_EQ(outcome.output, "\"taken\"");
  EXPECT_EQ(host_.requests().back().body, std::string(1'000'000, 'x'));
}

TEST_F(Uploading, a_body_is_read_as_it_comes_and_one_that_came_whole_the_same_way) {
  const auto count_of = [this](const std::string& body, bool in_parts) {
    return host_.request({.method = "POST", .body = body, .body_in_parts = in_parts}).response->body;
  };
  EXPECT_EQ(count_of(std::string(1'000'001, 'x'), true), "1000001");
  EXPECT_EQ(count_of("", true), "0");
  EXPECT_EQ(count_of("whole", false), "5");
  EXPECT_EQ(
      host_.request({.method = "POST", .path = "/first", .body = std::string(1'000'000, 'x'), .body_in_parts = true})
          .response->status,
      413);
}

TEST(uploading, a_host_without_it_is_said_so) {
  FakeHost host(Entry<Mover, MoverName>::entry, {}, {.offers_stream = false});
  ASSERT_TRUE(host.activate());
  const CallOutcome outcome = host.call({.operation = "send", .input = "0"});
  ASSERT_TRUE(outcome.error);
  EXPECT_THAT(outcome.error->message, HasSubstr("no trv.stream/2"));
  EXPECT_EQ(host.request({.method = "POST", .body = "whole"}).response->body, "5");
}

}  // namespace
}  // namespace trv::sdk
