#include "kernel/plugin_run/cassette.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

namespace trv::plugin_run {
namespace {

using base::ErrorCode;
using testing::HasSubstr;
using testing::Not;

/// Answers at once, from a thread of its own, with what it is given.
class FakeNetwork final : public egress::HttpSender {
 public:
  explicit FakeNetwork(base::Result<egress::Response> answer) : answer_(std::move(answer)) {}
  egress::RequestId send(egress::Request, egress::Completion completion) override {
    std::jthread([&] { completion(answer_); }).join();
    return 1;
  }
  void cancel(egress::RequestId) override {}

 private:
  const base::Result<egress::Response> answer_;
};

egress::Request request(std::string path, std::string body = "") {
  egress::Request made;
  made.connection = "api";
  made.method = body.empty() ? "GET" : "POST";
  made.path = std::move(path);
  made.headers = {{"X-Api-Key", "s3cr3t"}, {"Accept", "text/plain"}};
  made.body = std::move(body);
  return made;
}

base::Result<egress::Response> sent(egress::HttpSender& to, egress::Request what) {
  std::promise<base::Result<egress::Response>> promise;
  to.send(std::move(what), [&promise](base::Result<egress::Response> answer) { promise.set_value(std::move(answer)); });
  return promise.get_future().get();
}

egress::Response response(std::string body) {
  return {.status = 201, .headers = {{"set-cookie", "session=1"}, {"etag", "7"}}, .body = std::move(body)};
}

TEST(Cassette, what_was_recorded_is_answered_again_without_secrets) {
  FakeNetwork network(response("made \xff"));
  CassetteRecorder recorder(network);
  ASSERT_TRUE(sent(recorder, request("/one", "text")));
  const std::string text = to_text(recorder.recorded());
  EXPECT_THAT(text, Not(HasSubstr("s3cr3t")));
  EXPECT_THAT(text, Not(HasSubstr("session=1")));
  EXPECT_THAT(text, HasSubstr(R"(["X-Api-Key","[redacted]"],["Accept","text/plain"])"));

  auto read = read_cassette(text);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(to_text(*read), text);
  CassettePlayer player(*std::move(read));
  const auto answer = sent(player, request("/one", "text"));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 201U);
  EXPECT_EQ(answer->body, "made \xff");
  EXPECT_EQ(answer->headers.back(), (egress::Header{"etag", "7"}));
  EXPECT_TRUE(player.missing().empty());
}

TEST(Cassette, a_request_without_a_recording_is_named) {
  Cassette cassette;
  cassette.exchanges.push_back({request("/one"), response("first")});
  cassette.exchanges.push_back({request("/one"), response("second")});
  cassette.exchanges.push_back({request("/other"), response("other")});
  CassettePlayer player(std::move(cassette));
  EXPECT_EQ(sent(player, request("/one"))->body, "first");
  EXPECT_EQ(sent(player, request("/one"))->body, "second");
  EXPECT_EQ(sent(player, request("/one")).error().code(), ErrorCode::not_found);
  EXPECT_EQ(sent(player, request("/two", "body")).error().message(),
            "POST /two over connection 'api' with this body of 4 bytes has no recording");
  ASSERT_EQ(player.missing().size(), 2U);
  EXPECT_EQ(player.missing()[0], "GET /one over connection 'api' has no further recording");
  EXPECT_EQ(player.unused(), 1U);
}

TEST(Cassette, an_error_of_the_network_is_recorded_too) {
  FakeNetwork network(base::fail(ErrorCode::timeout, "no answer in 5 s"));
  CassetteRecorder recorder(network);
  EXPECT_FALSE(sent(recorder, request("/slow")));
  CassettePlayer player(*read_cassette(to_text(recorder.recorded())));
  const auto answer = sent(player, request("/slow"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), ErrorCode::timeout);
  EXPECT_EQ(answer.error().message(), "no answer in 5 s");
}

TEST(Cassette, what_is_not_a_cassette_is_refused_with_the_line) {
  const std::string head = "{\"cassette\":1}\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{}\n", "line 1: not a cassette"},
      {"{\"cassette\":2}\n", "line 1: not a cassette"},
      {head + "{\"response\":{\"status\":200}}", "line 2: request: is missing"},
      {head + R"({"request":{"method":"GET","path":"/"}})", "line 2: response"},
      {head + R"({"request":{"method":"GET","path":"/"},"response":{"status":7}})", "line 2: status"},
      {head + R"({"request":{"method":"GET","path":"/"},"error":{"code":"odd"}})", "line 2: code: 'odd'"},
      {head + R"({"request":{"method":"GET","path":"/","headers":[["a"]]},"response":{"status":200}})",
       "line 2: headers"},
      {head + R"({"request":{"method":"GET","path":"/","body_base64":"?"},"response":{"status":200}})",
       "line 2: body_base64"},
      {head + "nonsense", "line 2: "}};
  for (const auto& [text, said] : cases) {
    const auto read = read_cassette(text);
    ASSERT_FALSE(read) << text;
    EXPECT_THAT(read.error().message(), HasSubstr(said)) << text;
  }
  EXPECT_TRUE(read_cassette(head)->exchanges.empty());
}

}  // namespace
}  // namespace trv::plugin_run
