#include "kernel/plugin_run/cassette.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <semaphore>

namespace trv::plugin_run {
namespace {

using base::ErrorCode;
using testing::HasSubstr;
using testing::Not;

/// Answers at once, from a thread of its own, with what it is given.
class FakeNetwork final : public egress::HttpSender {
 public:
  explicit FakeNetwork(base::Result<egress::Response> answer) : answer_(std::move(answer)) {}
  egress::RequestId send(egress::Request request, egress::Completion completion) override {
    for (char bytes[1'000]; request.departing != nullptr;) {
      if (request.departing->take(bytes, sizeof bytes)->value() == 0) break;
    }
    std::jthread([&] { completion(answer_); }).join();
    return 1;
  }
  /// In two parts, the second once something was taken.
  egress::RequestId send_in_parts(egress::Request, std::shared_ptr<egress::PartReceiver> receiver) override {
    receiver_ = std::move(receiver);
    if (!answer_) {
      receiver_->end(base::fail(answer_.error()));
      return 1;
    }
    receiver_->head({.status = answer_->status, .headers = answer_->headers, .body = {}});
    receiver_->part(answer_->body.substr(0, 1));
    return 1;
  }
  void take(egress::RequestId, std::uint64_t) override {
    receiver_->part(answer_->body.substr(1));
    receiver_->end({});
  }
  void cancel(egress::RequestId) override {
    if (receiver_ != nullptr) receiver_->end(base::fail(ErrorCode::cancelled, "cancelled"));
  }

 private:
  std::shared_ptr<egress::PartReceiver> receiver_;
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

/// What came of an answer in parts, taking all of it or nothing.
class Came final : public egress::PartReceiver {
 public:
  void head(egress::Response head) override { status = head.status; }
  void part(std::string_view part) override {
    body += part;
    bytes += part.size();
    came.release();
  }
  void end(base::Status how) override { ended.set_value(std::move(how)); }

  std::uint32_t status = 0;
  std::string body;
  std::atomic<std::size_t> bytes = 0;
  std::counting_semaphore<> came{0};
  std::promise<base::Status> ended;
};

TEST(Cassette, an_answer_in_parts_is_kept_as_one_body_and_comes_in_parts_again) {
  const std::string body = std::string(3'000'000, 'a') + "end";
  FakeNetwork network(response(body));
  CassetteRecorder recorder(network);
  auto came = std::make_shared<Came>();
  recorder.take(recorder.send_in_parts(request("/one"), came), 1);
  EXPECT_TRUE(came->ended.get_future().get());
  EXPECT_EQ(came->body, body);
  const auto kept = read_cassette(to_text(recorder.recorded()));
  ASSERT_TRUE(kept) << kept.error().message();
  const Cassette& recorded = *kept;
  ASSERT_EQ(recorded.exchanges.size(), 1U);
  EXPECT_EQ(recorded.exchanges[0].answer->body, body);

  CassettePlayer player(recorded);
  came = std::make_shared<Came>();
  const auto id = player.send_in_parts(request("/one"), came);
  for (int part = 0; part < 4; ++part) came->came.acquire();
  EXPECT_EQ(came->status, 201U);
  EXPECT_EQ(came->body.size(), egress::stream_room_bytes);
  for (std::size_t taken = 0; taken < body.size(); taken += egress::stream_room_bytes) {
    while (came->bytes < std::min(body.size(), taken + egress::stream_room_bytes)) came->came.acquire();
    player.take(id, egress::stream_room_bytes);
  }
  EXPECT_TRUE(came->ended.get_future().get());
  EXPECT_EQ(came->body, body);
}

TEST(Cassette, a_body_that_was_sent_in_parts_is_kept_as_one_and_found_again) {
  const std::string body(3'000'000, 'a');
  const auto in_parts = [&](std::string_view bytes) {
    egress::Request made = request("/one", "x");
    made.body.clear();
    made.departing = std::make_shared<egress::DepartingBody>(std::nullopt, egress::DepartingBody::Writer{});
    made.departing->write(bytes);
    return made;
  };
  FakeNetwork network(response("made"));
  CassetteRecorder recorder(network);
  egress::Request whole = in_parts(body);
  whole.departing->end();
  ASSERT_TRUE(sent(recorder, std::move(whole)));
  const auto kept = read_cassette(to_text(recorder.recorded()));
  ASSERT_TRUE(kept) << kept.error().message();
  EXPECT_EQ(kept->exchanges.at(0).request.body, body);

  CassettePlayer player(*kept);
  egress::Request slow = in_parts(std::string_view(body).substr(0, 1'000'000));
  const auto written = slow.departing;
  std::promise<base::Result<egress::Response>> promise;
  auto answer = promise.get_future();
  player.send(std::move(slow), [&](base::Result<egress::Response> result) { promise.set_value(std::move(result)); });
  EXPECT_EQ(answer.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout) << "the rest is to come";
  written->write(std::string_view(body).substr(1'000'000));
  written->end();
  const auto played = answer.get();
  ASSERT_TRUE(played) << played.error().message();
  EXPECT_EQ(played->body, "made");
  EXPECT_TRUE(player.missing().empty());
}

TEST(Cassette, of_an_answer_that_was_dropped_what_came_is_kept_and_of_none_the_error) {
  FakeNetwork network(response("made"));
  CassetteRecorder recorder(network);
  auto came = std::make_shared<Came>();
  recorder.cancel(recorder.send_in_parts(request("/one"), came));
  EXPECT_FALSE(came->ended.get_future().get());
  EXPECT_EQ(recorder.recorded().exchanges.at(0).answer->body, "m");

  FakeNetwork broken(base::fail(ErrorCode::timeout, "late"));
  CassetteRecorder second(broken);
  came = std::make_shared<Came>();
  second.send_in_parts(request("/one"), came);
  EXPECT_EQ(second.recorded().exchanges.at(0).answer.error().code(), ErrorCode::timeout);

  // A plugin that drops what it is answered from a cassette gets an end, too.
  Cassette cassette;
  cassette.exchanges.push_back({request("/one"), response(std::string(300'000, 'a'))});
  CassettePlayer player(std::move(cassette));
  came = std::make_shared<Came>();
  const auto id = player.send_in_parts(request("/one"), came);
  came->came.acquire();
  player.cancel(id);
  EXPECT_EQ(came->ended.get_future().get().error().code(), ErrorCode::cancelled);
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
