// Bodies in parts: they go out as they are written and as fast as they are read, and one that is not whole is never
// taken for whole.

#include "kernel/http/part_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "kernel/http/stream_queue.hpp"
#include "kernel/http/testing/raw_client.hpp"
#include "kernel/http/testing/running_server.hpp"

namespace trv::http {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

constexpr std::string_view get = "GET /body HTTP/1.1\r\nHost: x\r\n\r\n";
constexpr std::string_view get_1_0 = "GET /body HTTP/1.0\r\nHost: x\r\n\r\n";

/// Serves one body at /body and hands it to the test.
class PartServer {
 public:
  explicit PartServer(std::string type = "text/plain", ServerOptions options = {})
      : type_(std::move(type)), running_(router(), std::move(options)) {}

  PartStream next() {
    PartStream stream = opened_.get_future().get();
    stream.on_sent([this](std::size_t count) { sent_ += count; });
    stream.on_over([this] {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
      over_.notify_all();
    });
    return stream;
  }
  std::size_t sent() { return sent_; }
  bool await_over() {
    std::unique_lock lock(mutex_);
    return over_.wait_for(lock, 30s, [this] { return is_over_; });
  }
  std::uint16_t port() { return running_.port(); }
  Server& server() { return running_.server(); }

 private:
  Router router() {
    Router result;
    for (const char* method : {"GET", "HEAD"}) {
      result.route(method, "/body", [this](const Request&, Responder responder) {
        Response head;
        head.content_type = type_;
        opened_.set_value(responder.parts(std::move(head)));
      });
    }
    return result;
  }

  const std::string type_;
  std::promise<PartStream> opened_;
  std::atomic<std::size_t> sent_ = 0;
  std::mutex mutex_;
  std::condition_variable over_;
  bool is_over_ = false;
  RunningServer running_;
};

TEST(part_queue, gives_some_at_a_time_and_says_what_was_sent) {
  StreamQueue queue(0, nullptr, StreamQueue::Of::parts);
  std::size_t sent = 0;
  queue.on_sent([&](std::size_t count) { sent += count; });
  queue.put(std::string(100'000, 'a'));
  queue.put(std::string(50'000, 'b'));
  std::string bytes;
  EXPECT_TRUE(queue.take(bytes));
  EXPECT_EQ(bytes.size(), 65'536U);
  EXPECT_EQ(sent, 0U) << "taken is not sent";
  queue.put("c");
  queue.close();
  queue.put("d");
  EXPECT_TRUE(queue.take(bytes));
  EXPECT_EQ(sent, 65'536U);
  EXPECT_FALSE(queue.take(bytes));
  EXPECT_EQ(bytes, std::string(100'000, 'a') + std::string(50'000, 'b') + "c");
  EXPECT_FALSE(queue.is_cut());
}

TEST(part_stream, a_part_is_sent_before_the_next_is_written) {
  PartServer server;
  RawClient client(server.port());
  client.send(get);
  PartStream stream = server.next();
  stream.write("one");
  const std::string head = client.read_until("3\r\none\r\n");
  EXPECT_THAT(head, HasSubstr("200 OK"));
  EXPECT_THAT(head, HasSubstr("Content-Type: text/plain\r\n"));
  EXPECT_THAT(head, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Cache-Control")));
  stream.write("two");
  EXPECT_EQ(client.read_until("3\r\ntwo\r\n"), "3\r\ntwo\r\n");
  stream.close();
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "0\r\n\r\n");
  EXPECT_TRUE(server.await_over());
  EXPECT_EQ(server.sent(), 6U);
  client.send("GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.read_all(), HasSubstr(" 404 ")) << "and the connection goes on";
}

TEST(part_stream, a_body_that_is_cut_has_no_end) {
  PartServer server;
  RawClient client(server.port());
  client.send(get);
  {
    PartStream stream = server.next();
    stream.write("one");
  }
  EXPECT_THAT(client.read_all(), EndsWith("3\r\none\r\n"));
  EXPECT_TRUE(server.await_over());
}

TEST(part_stream, for_http_1_0_the_end_of_the_connection_is_the_end_of_a_whole_body_alone) {
  for (const bool is_whole : {true, false}) {
    PartServer server;
    RawClient client(server.port());
    client.send(get_1_0);
    PartStream stream = server.next();
    stream.write("one");
    const std::string head = client.read_until("one");
    EXPECT_THAT(head, Not(HasSubstr("chunked")));
    is_whole ? stream.close() : stream.cut();
    EXPECT_TRUE(client.closes(20'000));
    EXPECT_EQ(client.was_reset(), !is_whole);
  }
}

TEST(part_stream, head_has_no_body) {
  PartServer server;
  RawClient client(server.port());
  client.send("HEAD /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  PartStream stream = server.next();
  EXPECT_TRUE(server.await_over()) << "nobody needs the body";
  stream.write("one");
  const std::string answer = client.read_all();
  EXPECT_THAT(answer, HasSubstr("200 OK"));
  EXPECT_THAT(answer, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST(part_stream, what_a_client_does_not_read_is_not_sent) {
  PartServer server;
  std::optional<RawClient> client(std::in_place, server.port());
  client->send(get);
  PartStream stream = server.next();
  constexpr std::size_t all = 64'000'000;  // more than sockets take
  const std::string part(65'536, 'x');
  std::size_t written = 0;
  for (; written < all && written - server.sent() <= 262'144; written += part.size()) {
    stream.write(part);
    for (int i = 0; i < 100 && written + part.size() - server.sent() > 196'608; ++i) std::this_thread::sleep_for(2ms);
  }
  EXPECT_LT(written, all);
  client.reset();
  EXPECT_TRUE(server.await_over());
}

TEST(part_stream, a_client_that_goes_ends_it) {
  PartServer server;
  std::optional<RawClient> client(std::in_place, server.port());
  client->send(get);
  PartStream stream = server.next();
  client.reset();
  EXPECT_TRUE(server.await_over());
}

TEST(part_stream, where_the_server_stops_a_body_is_finished_and_events_are_cut) {
  for (const std::string type : {"text/plain", "text/event-stream"}) {
    PartServer server(type);
    RawClient client(server.port());
    client.send(get);
    PartStream stream = server.next();
    stream.write("one");
    client.read_until("one\r\n");
    auto stopped = std::async(std::launch::async, [&] { server.server().stop(20s); });
    if (type == "text/plain") {
      EXPECT_EQ(stopped.wait_for(300ms), std::future_status::timeout);
      stream.close();
      EXPECT_EQ(client.read_all(), "0\r\n\r\n");
    } else {
      EXPECT_EQ(client.read_all(), "");
    }
    EXPECT_EQ(stopped.wait_for(15s), std::future_status::ready);
  }
}

}  // namespace
}  // namespace trv::http
