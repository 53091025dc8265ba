#include "kernel/node/peer_watch.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include "kernel/http/testing/loopback_server.hpp"

namespace trv::node {
namespace {

using namespace std::chrono_literals;

template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 3000 && !condition(); ++i) std::this_thread::sleep_for(10ms);
  return condition();
}

class PeerWatching : public testing::Test {
 protected:
  static std::string address_of(const http::LoopbackListener& listener) {
    return fmt::format("127.0.0.1:{}", listener.port());
  }
  /// Takes the connection that the watch makes, and ends it after a while or at once.
  static int accepted(const http::LoopbackListener& listener) {
    pollfd wait{.fd = listener.socket(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&wait, 1, 30'000), 1);
    const int connection = ::accept(listener.socket(), nullptr, nullptr);
    EXPECT_GE(connection, 0);
    return connection;
  }

  std::mutex mutex_;
  std::vector<std::string> ended_;
  PeerWatch watch_{[this](const std::string& address) {
    const std::scoped_lock lock(mutex_);
    ended_.push_back(address);
  }};
  std::vector<std::string> ended() {
    const std::scoped_lock lock(mutex_);
    return ended_;
  }
};

TEST_F(PeerWatching, a_process_that_ends_is_noticed_once_and_the_others_are_not_meant) {
  std::optional<http::LoopbackListener> peer(std::in_place);
  const http::LoopbackListener other;
  const std::string address = address_of(*peer);
  watch_.watch({address, address_of(other)});
  const int connection = accepted(*peer);
  const int of_other = accepted(other);
  EXPECT_TRUE(ended().empty());
  peer.reset();
  ::close(connection);
  ASSERT_TRUE(eventually([&] { return !ended().empty(); }));
  // It goes on to look; once more means the same end.
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(ended(), std::vector<std::string>{address});
  ::close(of_other);
}

TEST_F(PeerWatching, a_connection_that_a_living_peer_closes_is_made_again) {
  const http::LoopbackListener peer;
  watch_.watch({address_of(peer)});
  for (int i = 0; i < 4; ++i) ::close(accepted(peer));
  ::close(accepted(peer));
  EXPECT_TRUE(ended().empty());
}

TEST_F(PeerWatching, who_was_never_reached_has_not_ended) {
  std::string nobody;
  {
    const http::LoopbackListener gone;
    nobody = address_of(gone);
  }
  std::optional<http::LoopbackListener> peer(std::in_place);
  const std::string address = address_of(*peer);
  watch_.watch({nobody, address, "no-such-host.invalid:1", "[::1]:1", "", "not-a-node", ":", "[:"});
  ::close(accepted(*peer));
  peer.reset();
  ASSERT_TRUE(eventually([&] { return !ended().empty(); }));
  EXPECT_EQ(ended(), std::vector<std::string>{address}) << "of all of them";
}

TEST_F(PeerWatching, an_address_that_is_not_watched_any_more_is_left_alone) {
  const http::LoopbackListener peer;
  watch_.watch({address_of(peer)});
  const int connection = accepted(peer);
  watch_.watch({});
  char byte = 0;
  EXPECT_EQ(::recv(connection, &byte, 1, 0), 0) << "its connection is ended";
  ::close(connection);
  EXPECT_TRUE(ended().empty());
}

}  // namespace
}  // namespace trv::node
