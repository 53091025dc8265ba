#include "kernel/http/event_stream.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "kernel/http/stream_queue.hpp"
#include "kernel/http/testing/raw_client.hpp"
#include "kernel/http/testing/running_server.hpp"

namespace trv::http {
namespace {

using namespace std::chrono_literals;

/// Serves one stream at /events and hands it to the test with the Last-Event-ID it was asked for.
class StreamServer {
 public:
  explicit StreamServer(ServerOptions options = {}) : running_(router(), std::move(options)) {}

  EventStream next() {
    auto future = opened_.get_future();
    EventStream stream = future.get();
    opened_ = {};
    return stream;
  }
  std::uint16_t port() { return running_.port(); }
  Server& server() { return running_.server(); }
  std::string last_event_id;

 private:
  Router router() {
    Router result;
    result.route("GET", "/events", [this](const Request& request, Responder responder) {
      last_event_id = request.header("Last-Event-ID").value_or("");
      opened_.set_value(responder.stream({{"X-Own", "1"}}));
    });
    return result;
  }

  std::promise<EventStream> opened_;
  RunningServer running_;
};

constexpr std::string_view get = "GET /events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 41\r\n\r\n";

TEST(stream_queue, frames_events_and_lets_nothing_forge_a_line) {
  StreamQueue queue(1000, nullptr);
  for (const std::string& frame : {event_frame("7\n8", "a\r\nb", "one\ntwo\r\nthree\rfour"), event_frame("", "", "")}) {
    EXPECT_EQ(queue.write(frame), frame.size());
  }
  queue.comment("x\ndata: y");
  std::string bytes;
  EXPECT_TRUE(queue.take(bytes));
  EXPECT_EQ(bytes, "id: 78\nevent: ab\ndata: one\ndata: two\ndata: three\ndata: four\n\ndata: \n\n: x\n: data: y\n\n");
}

TEST(stream_queue, takes_what_there_is_room_for_and_calls_when_there_is_more) {
  StreamQueue queue(30, nullptr);
  int called = 0;
  queue.on_ready([&] { ++called; });
  EXPECT_EQ(queue.write(std::string(20, 'a')), 20U);
  std::string bytes;
  EXPECT_TRUE(queue.take(bytes));
  EXPECT_EQ(called, 0) << "nothing waits for room";
  EXPECT_EQ(queue.write(std::string(20, 'b')), 20U);
  EXPECT_EQ(queue.write(std::string(20, 'c')), 10U);
  EXPECT_EQ(queue.write("d"), 0U);
  EXPECT_EQ(queue.queued(), 30U);
  EXPECT_TRUE(queue.take(bytes));
  EXPECT_EQ(called, 1);
  EXPECT_EQ(bytes, std::string(20, 'a') + std::string(20, 'b') + std::string(10, 'c'));
  EXPECT_TRUE(queue.take(bytes));
  EXPECT_EQ(called, 1);
  queue.close();
  EXPECT_EQ(queue.write("e"), 0U);
  EXPECT_FALSE(queue.take(bytes));
  queue.finish();
  queue.finish();
  EXPECT_EQ(called, 2);
}

/// Waits until the stream calls its feeder because it is over.
class Over {
 public:
  explicit Over(EventStream& stream) {
    stream.on_ready([this, &stream] {
      if (!stream.is_open() && !std::exchange(is_over_, true)) over_.set_value();
    });
  }
  bool comes() { return over_.get_future().wait_for(60s) == std::future_status::ready; }

 private:
  bool is_over_ = false;
  std::promise<void> over_;
};

bool send(EventStream& stream, std::string_view id, std::string_view event, std::string_view data) {
  const std::string frame = event_frame(id, event, data);
  return stream.write(frame) == frame.size();
}

TEST(event_stream, sends_from_any_thread_and_ends_cleanly) {
  StreamServer server;
  RawClient client(server.port());
  client.send(get);
  EventStream stream = server.next();
  EXPECT_EQ(server.last_event_id, "41");
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_NE(head.find("Content-Type: text/event-stream\r\n"), std::string::npos);
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(head.find("X-Own: 1\r\n"), std::string::npos);
  Over over(stream);
  EXPECT_TRUE(send(stream, "42", "started", "{}"));
  EXPECT_EQ(client.read_until("\n\n\r\n"), "20\r\nid: 42\nevent: started\ndata: {}\n\n\r\n");
  std::thread([&] { stream.comment("hi"); }).join();
  EXPECT_EQ(client.read_until("\n\n\r\n"), "6\r\n: hi\n\n\r\n");
  stream.close();
  EXPECT_EQ(client.read_all(), "0\r\n\r\n");
  EXPECT_TRUE(over.comes());
  EXPECT_FALSE(send(stream, "43", "", ""));
}

TEST(event_stream, sees_the_client_go) {
  StreamServer server;
  auto client = std::make_unique<RawClient>(server.port());
  client->send(get);
  EventStream stream = server.next();
  Over over(stream);
  client.reset();
  EXPECT_TRUE(over.comes());
  EXPECT_FALSE(stream.is_open());
}

TEST(event_stream, a_slow_reader_pauses_the_feeder_and_gets_everything) {
  StreamServer server({.stream_bytes_max = 20'000});
  RawClient client(server.port(), 4096);
  client.send(get);
  EventStream stream = server.next();
  std::mutex mutex;
  std::condition_variable ready;
  bool may_go_on = false;
  stream.on_ready([&] {
    const std::lock_guard lock(mutex);
    may_go_on = true;
    ready.notify_one();
  });
  std::string all;
  for (int i = 0; i < 1000; ++i) all += event_frame(std::to_string(i), "", std::string(10'000, 'd'));
  std::size_t written = 0;
  std::size_t pauses = 0;
  std::string received;
  std::thread reader;
  while (written < all.size()) {
    written += stream.write(std::string_view(all).substr(written));
    if (written == all.size()) break;
    if (++pauses == 50) reader = std::thread([&] { received = client.read_all(); });
    std::unique_lock lock(mutex);
    // The kernel's buffers are full before the feeder is through: only a client that reads brings it on.
    const bool went_on = ready.wait_for(lock, reader.joinable() ? 60s : 200ms, [&] { return may_go_on; });
    may_go_on = false;
    if (!went_on && !reader.joinable()) reader = std::thread([&] { received = client.read_all(); });
  }
  stream.close();
  ASSERT_TRUE(reader.joinable());
  reader.join();
  std::string body;
  for (std::size_t at = received.find("\r\n\r\n") + 4; at < received.size();) {
    const std::size_t size = std::stoul(received.substr(at), nullptr, 16);
    at = received.find("\r\n", at) + 2;
    EXPECT_LE(size, 20'000U);
    body += received.substr(at, size);
    at += size + 2;
  }
  EXPECT_EQ(body, all);
}

TEST(event_stream, a_silent_stream_has_a_heartbeat) {
  StreamServer server({.heartbeat_interval = 40ms});
  RawClient client(server.port());
  client.send(get);
  EventStream stream = server.next();
  client.read_until("\r\n\r\n");
  EXPECT_EQ(client.read_until("\n\n\r\n"), "3\r\n:\n\n\r\n");
  EXPECT_EQ(client.read_until("\n\n\r\n"), "3\r\n:\n\n\r\n");
}

TEST(event_stream, ends_when_the_server_stops) {
  StreamServer server;
  RawClient client(server.port());
  client.send(get);
  EventStream stream = server.next();
  client.read_until("\r\n\r\n");
  Over over(stream);
  EXPECT_TRUE(send(stream, "1", "", "last"));
  server.server().stop(5s);
  EXPECT_TRUE(over.comes());
  const std::string all = client.read_all();
  EXPECT_NE(all.find("data: last\n"), std::string::npos);
  EXPECT_TRUE(all.ends_with("0\r\n\r\n"));
}

TEST(event_stream, http_1_0_gets_it_without_chunks_and_head_without_events) {
  StreamServer server;
  RawClient old(server.port());
  old.send("GET /events HTTP/1.0\r\n\r\n");
  {
    EventStream stream = server.next();
    EXPECT_TRUE(send(stream, "", "", "x"));
  }
  const std::string all = old.read_all();
  EXPECT_TRUE(all.ends_with("\r\n\r\ndata: x\n\n")) << all;
  RawClient head(server.port());
  head.send("HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n");
  EventStream stream = server.next();
  EXPECT_TRUE(head.read_all().ends_with("\r\n\r\n"));
  EXPECT_FALSE(stream.is_open());
}

}  // namespace
}  // namespace trv::http
