#include "kernel/http/event_stream.hpp"

#include <gtest/gtest.h>

#include <future>
#include <memory>
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
  EXPECT_TRUE(queue.send("7\n8", "a\r\nb", "one\ntwo\r\nthree\rfour"));
  EXPECT_TRUE(queue.send("", "", ""));
  EXPECT_TRUE(queue.comment("x\ndata: y"));
  std::string bytes;
  EXPECT_TRUE(queue.take(bytes));
  EXPECT_EQ(bytes, "id: 78\nevent: ab\ndata: one\ndata: two\ndata: three\ndata: four\n\ndata: \n\n: x\n: data: y\n\n");
}

TEST(stream_queue, an_overflow_keeps_what_was_accepted_and_ends_with_a_comment) {
  StreamQueue queue(30, nullptr);
  EXPECT_TRUE(queue.send("1", "", "aaaa"));
  EXPECT_FALSE(queue.send("2", "", "bbbbbbbbbbbbbbbb"));
  EXPECT_FALSE(queue.send("3", "", ""));
  EXPECT_FALSE(queue.is_open());
  std::string bytes;
  EXPECT_FALSE(queue.take(bytes));
  EXPECT_TRUE(bytes.starts_with("id: 1\ndata: aaaa\n\n: too slow"));
  StreamEnd seen{};
  queue.on_closed([&](StreamEnd end) { seen = end; });
  queue.finish(StreamEnd::by_peer);
  EXPECT_EQ(seen, StreamEnd::by_overflow);
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
  std::promise<StreamEnd> ended;
  stream.on_closed([&](StreamEnd end) { ended.set_value(end); });
  EXPECT_TRUE(stream.send("42", "started", "{}"));
  EXPECT_EQ(client.read_until("\n\n\r\n"), "20\r\nid: 42\nevent: started\ndata: {}\n\n\r\n");
  std::thread([&] { EXPECT_TRUE(stream.comment("hi")); }).join();
  EXPECT_EQ(client.read_until("\n\n\r\n"), "6\r\n: hi\n\n\r\n");
  stream.close();
  EXPECT_EQ(client.read_all(), "0\r\n\r\n");
  EXPECT_EQ(ended.get_future().get(), StreamEnd::by_us);
  EXPECT_FALSE(stream.send("43", "", ""));
}

TEST(event_stream, sees_the_client_go) {
  StreamServer server;
  auto client = std::make_unique<RawClient>(server.port());
  client->send(get);
  EventStream stream = server.next();
  std::promise<StreamEnd> ended;
  stream.on_closed([&](StreamEnd end) { ended.set_value(end); });
  client.reset();
  EXPECT_EQ(ended.get_future().get(), StreamEnd::by_peer);
  EXPECT_FALSE(stream.is_open());
}

TEST(event_stream, a_slow_reader_is_cut_off_after_what_was_accepted) {
  StreamServer server({.stream_bytes_max = 100'000});
  RawClient client(server.port(), 4096);
  client.send(get);
  EventStream stream = server.next();
  const std::string data(10'000, 'd');
  int accepted = 0;
  while (accepted < 10'000 && stream.send(std::to_string(accepted), "", data)) ++accepted;
  ASSERT_LT(accepted, 10'000);
  const std::string all = client.read_all();
  EXPECT_NE(all.find("id: " + std::to_string(accepted - 1) + "\n"), std::string::npos);
  EXPECT_EQ(all.find("id: " + std::to_string(accepted) + "\n"), std::string::npos);
  EXPECT_TRUE(all.ends_with("resume with Last-Event-ID\n\n\r\n0\r\n\r\n"));
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
  std::promise<StreamEnd> ended;
  stream.on_closed([&](StreamEnd end) { ended.set_value(end); });
  EXPECT_TRUE(stream.send("1", "", "last"));
  server.server().stop(5s);
  EXPECT_EQ(ended.get_future().get(), StreamEnd::by_shutdown);
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
    stream.send("", "", "x");
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
