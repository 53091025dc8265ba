// A handler that waits for something hears that its client has gone, and that alone.

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "kernel/http/testing/raw_client.hpp"
#include "kernel/http/testing/running_server.hpp"

namespace trv::http {
namespace {

using namespace std::chrono_literals;

/// /wait waits until the test answers, /quick answers at once; both want to hear.
struct Watched {
  std::atomic<int> begun = 0;
  std::atomic<int> gone = 0;
  std::mutex mutex;
  std::optional<Responder> waiting;

  [[nodiscard]] Router router() {
    Router router;
    router.route("GET", "/wait", [this](const Request&, Responder responder) {
      responder.when_gone([this] { ++gone; });
      const std::lock_guard lock(mutex);
      waiting.emplace(std::move(responder));
      ++begun;
    });
    router.route("POST", "/quick", [this](const Request&, Responder responder) {
      responder.when_gone([this] { ++gone; });
      const std::string body(responder.request().body());
      responder.send(text(200, body));
    });
    return router;
  }
  void answer() {
    const std::lock_guard lock(mutex);
    waiting->send(text(200, "late"));
    waiting.reset();
  }
};

bool eventually(const std::atomic<int>& value, int wanted) {
  for (int i = 0; i < 20'000 && value < wanted; ++i) std::this_thread::sleep_for(1ms);
  return value == wanted;
}

TEST(client_gone, a_handler_hears_that_its_client_has_closed_the_connection) {
  Watched watched;
  RunningServer running(watched.router());
  {
    RawClient client(running.port());
    client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(eventually(watched.begun, 1));
    EXPECT_EQ(watched.gone, 0);
  }
  EXPECT_TRUE(eventually(watched.gone, 1));
  watched.answer();  // falls away
  RawClient next(running.port());
  next.send("POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(next.read_answer().body, "ok");
  EXPECT_EQ(watched.gone, 1);
}

TEST(client_gone, one_that_waits_is_not_gone_whatever_it_sends_ahead) {
  Watched watched;
  RunningServer running(watched.router());
  RawClient client(running.port());
  client.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(eventually(watched.begun, 1));
  const std::string body(20'000, 'b');
  const std::string next = "POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + body;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(client.send(next));  // more than is read ahead
  watched.answer();
  EXPECT_EQ(client.read_answer().body, "late");
  for (int i = 0; i < 10; ++i) ASSERT_EQ(client.read_answer().body, body) << i;
  EXPECT_EQ(watched.gone, 0);
}

TEST(client_gone, many_requests_of_one_connection_are_watched_one_after_the_other) {
  Watched watched;
  RunningServer running(watched.router());
  RawClient client(running.port());
  // Bodies of many sizes: the room for input grows and shrinks while reads are under way.
  for (int i = 0; i < 300; ++i) {
    const std::string body(static_cast<std::size_t>(i % 7) * 9'000, static_cast<char>('a' + i % 26));
    client.send("POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                body);
    ASSERT_EQ(client.read_answer().body, body) << i;
  }
  EXPECT_EQ(watched.gone, 0);
}

}  // namespace
}  // namespace trv::http
