// A listening socket that outlives its servers: what one of them does not take waits for the next.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "kernel/http/testing/loopback_server.hpp"
#include "kernel/http/testing/raw_client.hpp"
#include "kernel/http/testing/running_server.hpp"

namespace trv::http {
namespace {

using namespace std::chrono_literals;

class Handover : public testing::Test {
 protected:
  std::unique_ptr<RunningServer> server() const {
    Router router;
    router.route("GET", "/hello", [](const Request&, Responder responder) { responder.send(text(200, "hello")); });
    return std::make_unique<RunningServer>(
        std::move(router), ServerOptions{.listening_socket = ::fcntl(listener_.socket(), F_DUPFD_CLOEXEC, 0),
                                         .threads = 2,
                                         .opens_at_start = false});
  }

  LoopbackListener listener_;
};

TEST_F(Handover, a_socket_that_is_given_accepts_nothing_before_the_server_is_open) {
  const auto running = server();
  RawClient client(listener_.port());
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_FALSE(client.closes(100)) << "neither an answer nor an end";
  running->server().open();
  EXPECT_EQ(client.read_answer().status, 200);
}

TEST_F(Handover, no_request_on_a_new_connection_is_lost_between_two_servers) {
  std::atomic<bool> over = false;
  std::atomic<int> answered = 0;
  std::atomic<int> lost = 0;
  auto running = server();
  running->server().open();
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      while (!over) {
        RawClient client(listener_.port());
        client.send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        ++(client.read_answer().status == 200 ? answered : lost);
      }
    });
  }
  for (int handovers = 0; handovers < 40; ++handovers) {
    const int before = answered;
    while (answered < before + 20) std::this_thread::yield();
    running->server().stop(5s);
    running = server();
    running->server().open();
  }
  over = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(lost, 0) << "of " << answered + lost;
}

}  // namespace
}  // namespace trv::http
