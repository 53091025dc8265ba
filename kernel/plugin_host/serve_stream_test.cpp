// Answers in parts (trv.stream/1): they come as they are written, as fast as they are taken, and one that is not whole
// is never taken for whole. In this process and in one of its own.

#include <fmt/format.h>

#include "kernel/plugin_host/testing/isolated_fixture.hpp"
#include "kernel/plugin_host/testing/part_client.hpp"

namespace trv::plugin_host {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

struct Asked {
  std::shared_ptr<PartClient> client;
  std::future<WebOutcome> outcome;
  CallHandle handle;
};

class ServeStreamTest : public IsolatedFixture, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    limits_.cancel_grace = 2s;
    IsolatedFixture::SetUp();
    if (IsSkipped()) return;
    const base::Bytes package = package_of("streams", R"(,"permissions":["serve"])", 1, "linux-x86_64", GetParam());
    const base::Status loaded = load(install(package).package_digest);
    ASSERT_TRUE(loaded) << loaded.error().message();
  }
  void prepare(HostConfiguration& configuration) override {
    configuration.in_process =
        GetParam() == "in-process" ? std::vector<std::string>{"tracker"} : std::vector<std::string>{};
    configuration.streams = streams_;
    IsolatedFixture::prepare(configuration);
  }
  Asked ask(std::string path, std::string query = {}, bool reads = true) {
    Asked asked{.client = std::make_shared<PartClient>(reads), .outcome = {}, .handle = {}};
    WebCall web = request("GET", std::move(path));
    web.request.query = std::move(query);
    web.receiver = asked.client;
    asked.outcome = serve(std::move(web), &asked.handle);
    return asked;
  }
  std::string end_of(std::string path) {
    const WebOutcome outcome = ask(std::move(path)).outcome.get();
    return outcome ? "whole" : fmt::format("{}: {}", base::to_string(outcome.error().code), outcome.error().message);
  }
  std::string seen() {
    const WebOutcome outcome = ask("/seen").outcome.get();
    return outcome ? outcome->body : outcome.error().message;
  }
  StreamLimits streams_;
};

TEST_P(ServeStreamTest, an_answer_comes_part_by_part) {
  Asked steps = ask("/steps");
  ASSERT_TRUE(steps.client->await("one ")) << "before the second is written";
  EXPECT_EQ(steps.client->head()->headers.at(0), (egress::Header{"content-type", "text/plain"}));
  ASSERT_TRUE(ask("/next").outcome.get());
  ASSERT_TRUE(steps.client->await("one two "));
  EXPECT_EQ(steps.outcome.wait_for(0s), std::future_status::timeout);
  ASSERT_TRUE(ask("/finish").outcome.get());
  EXPECT_TRUE(steps.outcome.get());
  EXPECT_EQ(steps.client->body(), "one two ");
  EXPECT_EQ(end_of("/count"), "whole") << "an empty one";
}

TEST_P(ServeStreamTest, twenty_megabytes_come_whole_to_one_that_reads) {
  Asked all = ask("/count", "20000000");
  const WebOutcome outcome = all.outcome.get();
  ASSERT_TRUE(outcome) << outcome.error().message;
  const std::string body = all.client->body();
  ASSERT_EQ(body.size(), 20'000'000U);
  std::uint64_t left = body.size();
  for (std::size_t at = 0; at < body.size();) {
    const char expected = static_cast<char>('a' + left % 26);
    std::size_t end = at;
    while (end < body.size() && body[end] == expected && end - at < stream_part_bytes_max) ++end;
    ASSERT_GT(end, at) << "at " << at;
    left -= end - at;
    at = end;
  }
}

TEST_P(ServeStreamTest, a_client_that_does_not_read_stops_the_plugin_at_the_room) {
  Asked slow = ask("/count", "20000000", false);
  ASSERT_TRUE(slow.client->await_bytes(stream_room_bytes));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(slow.client->body().size(), stream_room_bytes);
  for (std::size_t size = 0; size < 20'000'000; size = slow.client->body().size()) {
    slow.client->read();
    ASSERT_TRUE(slow.client->await_bytes(std::min<std::size_t>(size + 1, 20'000'000)));
  }
  EXPECT_TRUE(slow.outcome.get());
  EXPECT_LE(slow.client->most_waiting(), stream_room_bytes);
}

TEST_P(ServeStreamTest, what_breaks_a_rule_ends_its_own_call_alone) {
  Asked over = ask("/over-the-room", {}, false);
  const WebOutcome outcome = over.outcome.get();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::exhausted);
  EXPECT_THAT(outcome.error().message, HasSubstr("wrote 65536 bytes where the receiver had taken all but 196609"));
  EXPECT_THAT(end_of("/long-part"), HasSubstr("too_large: the plugin wrote a part of"));
  EXPECT_THAT(end_of("/long-first"), HasSubstr("the first part has 65537 bytes"));
  EXPECT_THAT(end_of("/begun-twice"), HasSubstr("begun to answer in parts already"));
  EXPECT_THAT(end_of("/whole-after"), HasSubstr("it has begun to answer in parts"));
  EXPECT_THAT(end_of("/other-stream"), HasSubstr("which it has not begun"));
  EXPECT_THAT(end_of("/before-the-head"), HasSubstr("which it has not begun"));
  EXPECT_THAT(end_of("/ends-nothing"), HasSubstr("which it has not begun"));
  EXPECT_THAT(end_of("/cookie"), HasSubstr("the header 'set-cookie' is not one that a plugin may send"));
  EXPECT_THAT(end_of("/no-body"), HasSubstr("an answer of status 204 has no body"));
  EXPECT_THAT(end_of("/no-head"), HasSubstr("null or too small"));
  EXPECT_EQ(end_of("/after-the-end"), "whole");
  EXPECT_EQ(end_of("/fails-midway"), "unavailable: it went wrong");
  const CallOutcome operation = run(call("echo"));
  ASSERT_FALSE(operation);
  EXPECT_THAT(operation.error().message, HasSubstr("trv.stream/1 answered a call of an operation"));
  EXPECT_EQ(end_of("/count"), "whole") << "and others go on";
}

TEST_P(ServeStreamTest, a_client_that_goes_ends_its_stream) {
  Asked gone = ask("/endless", {}, false);
  ASSERT_TRUE(gone.client->await_bytes(stream_room_bytes));
  PluginHost::cancel(gone.handle);
  const WebOutcome outcome = gone.outcome.get();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::cancelled);
  EXPECT_TRUE(eventually([this] { return seen().starts_with("1 ended"); })) << seen();
}

TEST_P(ServeStreamTest, as_many_as_may_be_open_stream_at_a_time) {
  std::vector<Asked> open;
  for (std::size_t i = 0; i < web_open_max; ++i) open.push_back(ask("/count", "2000000", false));
  for (Asked& one : open) EXPECT_TRUE(one.client->await_bytes(stream_room_bytes));
  EXPECT_THAT(end_of("/count"), HasSubstr("exhausted"));
  for (bool all = false; !all;) {
    all = true;
    for (Asked& one : open) {
      one.client->read();
      all = all && one.client->body().size() == 2'000'000;
    }
  }
  for (Asked& one : open) EXPECT_TRUE(one.outcome.get());
}

TEST_P(ServeStreamTest, nobody_who_takes_parts_is_a_failure) {
  const WebOutcome outcome = serve(request("GET", "/count")).get();
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().message, HasSubstr("nobody takes an answer in parts here"));
}

INSTANTIATE_TEST_SUITE_P(Everywhere, ServeStreamTest, testing::Values("in-process", "sandboxed"),
                         [](const auto& mode) { return mode.param == "sandboxed" ? "isolated" : "here"; });

class SilentStreamTest : public ServeStreamTest {
 protected:
  void SetUp() override {
    streams_ = {.silence = 300ms, .whole = 1500ms, .bytes_max = 1'000'000};
    ServeStreamTest::SetUp();
  }
};

TEST_P(SilentStreamTest, an_answer_that_does_not_go_on_ends) {
  EXPECT_THAT(end_of("/steps"), HasSubstr("timeout: plugin 'tracker' 1.2.3 wrote no part of its answer for 0 s"));
  EXPECT_TRUE(eventually([this] { return seen().starts_with("1 ended"); })) << seen();
}

TEST_P(SilentStreamTest, a_plugin_that_waits_for_its_client_is_not_silent_and_has_an_end_all_the_same) {
  const auto began = std::chrono::steady_clock::now();
  const WebOutcome outcome = ask("/endless", {}, false).outcome.get();
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().message, HasSubstr("were not whole after 1 s, their limit"));
  EXPECT_GE(std::chrono::steady_clock::now() - began, 1400ms);
}

TEST_P(SilentStreamTest, an_answer_has_a_size_that_it_does_not_pass) {
  EXPECT_THAT(end_of("/endless"), HasSubstr("too_large: the plugin wrote more than 1000000 bytes"));
}

INSTANTIATE_TEST_SUITE_P(Everywhere, SilentStreamTest, testing::Values("in-process", "sandboxed"),
                         [](const auto& mode) { return mode.param == "sandboxed" ? "isolated" : "here"; });

class IsolatedStreamTest : public ServeStreamTest {};

TEST_P(IsolatedStreamTest, a_plugin_that_dies_midway_leaves_no_whole_answer) {
  Asked dying = ask("/dies-midway");
  const WebOutcome outcome = dying.outcome.get();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::unavailable);
  EXPECT_EQ(dying.client->body(), "ab");
  EXPECT_TRUE(eventually([this] { return end_of("/count") == "whole"; }));
}

INSTANTIATE_TEST_SUITE_P(Isolated, IsolatedStreamTest, testing::Values("sandboxed"),
                         [](const auto&) { return "isolated"; });

}  // namespace
}  // namespace trv::plugin_host
