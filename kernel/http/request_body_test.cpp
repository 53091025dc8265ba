// Bodies of requests in parts: what is not asked for is not read, what is not whole is seen, and what is answered early
// costs the connection alone.

#include "kernel/http/request_body.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "kernel/http/testing/raw_client.hpp"
#include "kernel/http/testing/running_server.hpp"

namespace trv::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using namespace std::chrono_literals;

/// What came of one body.
class Reading {
 public:
  void part(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(end_);
    EXPECT_FALSE(bytes.empty());
    EXPECT_LE(bytes.size(), body_part_bytes);
    bytes_ += bytes;
    changed_.notify_all();
  }
  void end(base::Status status) {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(end_);
    end_ = std::move(status);
    changed_.notify_all();
  }
  bool wait_bytes(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return bytes_.size() >= count; });
  }
  base::Status wait_end() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 20s, [&] { return end_.has_value(); }));
    return end_.value_or(base::fail(base::ErrorCode::internal, "no end"));
  }
  std::string bytes() {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string bytes_;
  std::optional<base::Status> end_;
};

/// Serves /in (in parts) and /whole, and hands what came to the test.
class BodyServer {
 public:
  explicit BodyServer(ServerOptions options = {}) : running_(router(), std::move(options)) {}

  Responder& responder() {
    if (!responder_) responder_.emplace(called_.get_future().get());
    return *responder_;
  }
  std::shared_ptr<RequestBody> body() { return responder().body(); }
  void read() {
    body()->read([this](std::string_view part) { reading.part(part); },
                 [this](base::Status status) { reading.end(std::move(status)); });
  }
  std::uint16_t port() { return running_.port(); }
  bool was_called(std::chrono::milliseconds within) { return has_gone_.wait_for(within) == std::future_status::ready; }

  Reading reading;

 private:
  Router router() {
    Router result;
    for (const char* method : {"POST", "GET"}) {
      result.route(method, "/in",
                   [this](const Request& request, Responder responder) {
                     EXPECT_THAT(request.body(), IsEmpty());
                     responder.when_gone([this] { gone_.set_value(); });
                     called_.set_value(std::move(responder));
                   },
                   {.body_bytes_max = 10, .body_in_parts = [](const Request&) { return true; }});
    }
    result.route("POST", "/whole", [](const Request& request, Responder responder) {
      Response answer;
      answer.body = std::to_string(request.body().size()) + (responder.body() == nullptr ? "" : " in parts");
      responder.send(std::move(answer));
    });
    return result;
  }

  std::promise<Responder> called_;
  std::promise<void> gone_;
  std::future<void> has_gone_ = gone_.get_future();
  std::optional<Responder> responder_;
  RunningServer running_;
};

Response text(int status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

std::string post(std::size_t length, const std::string& more = {}) {
  return "POST /in HTTP/1.1\r\nHost: x\r\n" + more + "Content-Length: " + std::to_string(length) + "\r\n\r\n";
}

std::string letters(std::size_t count) {
  std::string bytes(count, ' ');
  for (std::size_t at = 0; at < count; ++at) bytes[at] = static_cast<char>('a' + at % 23);
  return bytes;
}

TEST(request_body, it_comes_whole_under_leave_by_length_and_in_chunks_and_the_connection_goes_on) {
  const std::string sent = letters(3'000'000);
  for (const bool is_chunked : {false, true}) {
    BodyServer server;
    RawClient client(server.port());
    std::jthread sending([&] {
      client.send(is_chunked ? "POST /in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                             : post(sent.size()));
      for (std::size_t at = 0; at < sent.size(); at += 300'000) {
        const std::string part = sent.substr(at, 300'000);
        client.send(is_chunked ? "493e0\r\n" + part + "\r\n" : part);
      }
      client.send(is_chunked ? "0\r\n\r\n" : "");
      client.send("POST /whole HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nafter");
    });
    server.read();
    EXPECT_TRUE(server.reading.wait_bytes(body_room_bytes));
    std::this_thread::sleep_for(100ms);
    EXPECT_EQ(server.reading.bytes().size(), body_room_bytes) << "no more without leave";
    for (std::size_t taken = 0; taken < sent.size();) {
      const std::size_t there = server.reading.bytes().size();
      server.body()->take(there - taken);
      taken = there;
      if (there == sent.size()) break;
      ASSERT_TRUE(server.reading.wait_bytes(there + 1));
    }
    EXPECT_TRUE(server.reading.wait_end());
    EXPECT_TRUE(server.reading.bytes() == sent);
    server.responder().send(text(200, "done"));
    EXPECT_EQ(client.read_answer().body, "done");
    EXPECT_EQ(client.read_answer().body, "5") << "what was sent behind it is the next request";
  }
}

TEST(request_body, what_is_not_read_is_not_taken_from_the_client) {
  BodyServer server;
  RawClient client(server.port());
  std::atomic<std::size_t> sent = 0;
  std::jthread sending([&] {
    client.send(post(100'000'000));
    const std::string part(100'000, 'x');
    for (; sent < 100'000'000 && client.send(part); sent += part.size()) {
    }
  });
  server.read();
  ASSERT_TRUE(server.reading.wait_bytes(body_room_bytes));
  std::size_t before = 1;
  for (int same = 0; same < 20; std::this_thread::sleep_for(10ms)) {
    same = sent == before ? same + 1 : 0;
    before = sent;
  }
  EXPECT_LT(before, 50'000'000U);
  server.responder().send(text(413, "enough"));
  EXPECT_THAT(client.read_all(), HasSubstr("enough"));
}

TEST(request_body, a_client_that_waits_for_100_gets_it_when_the_body_is_read) {
  BodyServer server;
  RawClient client(server.port());
  client.send(post(5, "Expect: 100-continue\r\n"));
  static_cast<void>(server.responder());
  std::this_thread::sleep_for(50ms);
  server.read();
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hello");
  EXPECT_TRUE(server.reading.wait_end());
  EXPECT_EQ(server.reading.bytes(), "hello");
  server.responder().send(text(200, "done"));
  EXPECT_EQ(client.read_answer().status, 200);
}

TEST(request_body, one_that_is_answered_before_it_is_read_is_not_asked_for) {
  BodyServer server;
  RawClient client(server.port());
  client.send(post(5, "Expect: 100-continue\r\n"));
  server.responder().send(text(401, "who?"));
  const std::string answer = client.read_all();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("who?"));
}

TEST(request_body, a_client_that_goes_or_lies_breaks_it_and_ends_its_call) {
  {
    BodyServer server;
    std::optional<RawClient> client(std::in_place, server.port());
    client->send(post(1'000) + "half");
    server.read();
    ASSERT_TRUE(server.reading.wait_bytes(4));
    client.reset();
    EXPECT_EQ(server.reading.wait_end().error().code(), base::ErrorCode::unavailable);
    EXPECT_TRUE(server.was_called(5s));
    server.responder().send(text(200, "late"));
  }
  {
    BodyServer server;
    RawClient client(server.port());
    client.send(post(1'000) + "half");
    client.end_sending();
    server.read();
    EXPECT_THAT(server.reading.wait_end().error().message(), HasSubstr("ended the connection within the body"));
    EXPECT_THAT(client.read_all(), StartsWith("HTTP/1.1 400 "));
    EXPECT_TRUE(server.was_called(5s));
    server.responder().send(text(200, "late"));
  }
  {
    BodyServer server;
    RawClient client(server.port());
    client.send(post(4) + "halfGARBAGE\r\n\r\n");
    server.read();
    EXPECT_TRUE(server.reading.wait_end());
    EXPECT_EQ(server.reading.bytes(), "half");
    server.responder().send(text(200, "done"));
    EXPECT_EQ(client.read_answer().status, 200);
    EXPECT_EQ(client.read_answer().status, 400) << "what is behind it is another request, and none";
  }
  {
    BodyServer server;
    RawClient client(server.port());
    client.send("POST /in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcnot a chunk\r\n");
    server.read();
    EXPECT_FALSE(server.reading.wait_end());
    EXPECT_THAT(client.read_all(), StartsWith("HTTP/1.1 400 "));
    server.responder().send(text(200, "late"));
  }
}

TEST(request_body, one_that_does_not_go_on_has_a_time_which_runs_only_while_there_is_leave) {
  ServerOptions options;
  options.request_timeout = 1s;
  BodyServer server(options);
  RawClient client(server.port());
  client.send(post(1'000'000));
  std::this_thread::sleep_for(2500ms);
  EXPECT_FALSE(server.was_called(0ms)) << "nobody had asked for it";
  server.read();
  const base::Status end = server.reading.wait_end();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code(), base::ErrorCode::timeout);
  EXPECT_THAT(client.read_all(), StartsWith("HTTP/1.1 408 "));
  EXPECT_TRUE(server.was_called(5s));
  server.responder().send(text(200, "late"));
}

TEST(request_body, it_has_a_limit_and_one_that_is_none_is_none) {
  {
    BodyServer server;
    RawClient client(server.port());
    client.send(post(1'073'741'825));
    EXPECT_EQ(client.read_answer().status, 413);
  }
  for (const char* request :
       {"GET /in HTTP/1.1\r\nHost: x\r\n\r\n", "POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"}) {
    BodyServer server;
    RawClient client(server.port());
    client.send(request);
    EXPECT_EQ(server.body(), nullptr);
    server.responder().send(text(200, "done"));
    EXPECT_EQ(client.read_answer().body, "done");
  }
}

TEST(request_body, an_answer_in_parts_may_come_while_it_does) {
  BodyServer server;
  RawClient client(server.port());
  client.send(post(6) + "abc");
  server.read();
  ASSERT_TRUE(server.reading.wait_bytes(3));
  PartStream out = server.responder().parts(text(200, {}));
  out.write("one");
  EXPECT_THAT(client.read_until("one\r\n"), HasSubstr("Connection: close\r\n"));
  client.send("def");
  EXPECT_TRUE(server.reading.wait_end());
  EXPECT_EQ(server.reading.bytes(), "abcdef");
  out.write("two");
  out.close();
  EXPECT_EQ(client.read_all(), "3\r\ntwo\r\n0\r\n\r\n");
}

}  // namespace
}  // namespace trv::http
