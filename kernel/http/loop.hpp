#pragma once
// One thread of a server with its share of the connections.

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>

#include "kernel/http/session.hpp"
#include "sdk/base/contract.hpp"

namespace trv::http {

/// Of TCP, or of a Unix socket.
using StreamSocket = boost::asio::generic::stream_protocol::socket;
using StreamAcceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

/// Text of an answer with which a connection ends.
[[nodiscard]] std::string closing_answer(const Response& response);

/// How many connections are open in the whole server, and the wait for the last to close.
class ConnectionCount {
 public:
  [[nodiscard]] std::size_t value() const noexcept { return value_.load(std::memory_order_relaxed); }
  void add() noexcept { value_.fetch_add(1); }
  void remove() noexcept {
    TRV_ASSERT(value_.load() > 0);
    if (value_.fetch_sub(1) == 1) {
      const std::lock_guard lock(mutex_);
      none_left_.notify_all();
    }
  }
  void wait_for_none(base::Duration at_most) {
    std::unique_lock lock(mutex_);
    none_left_.wait_for(lock, at_most, [&] { return value_.load() == 0; });
  }

 private:
  std::atomic<std::size_t> value_{0};
  std::mutex mutex_;
  std::condition_variable none_left_;
};

class Connection;

/// One thread with its share of the connections. Connections keep their loop alive, so a responder may outlast the
/// server.
class Loop : public std::enable_shared_from_this<Loop> {
 public:
  Loop(SessionEnvironment shared, std::shared_ptr<ConnectionCount> connection_count)
      : environment(std::move(shared)), count(std::move(connection_count)), io(1), ticker_(io), drain_timer_(io) {}

  void start();
  /// Runs `work` on the loop's thread, or never where the loop has ended. Any thread.
  template <typename Work>
  void post(Work work) {
    const std::lock_guard lock(mutex_);
    if (open_) boost::asio::post(io, std::move(work));
  }
  /// Takes a connection that was counted. On the loop's thread.
  void adopt(StreamSocket socket);
  void forget(Connection* connection);
  void drain();
  /// Ends the thread and cuts what is left. Not from the loop's thread.
  void end();
  /// A peer was not let in: the first of many says enough for a while.
  void note_refusal(std::string_view peer, std::string_view why);
  /// Whether it has done something since the last time it was asked. One thread.
  [[nodiscard]] bool has_moved() {
    const bool moved = has_moved_.exchange(false);
    post([this] { has_moved_ = true; });
    return moved;
  }
  void refresh_time() { environment.now = environment.clock.monotonic(); }
  [[nodiscard]] bool on_thread() const noexcept { return std::this_thread::get_id() == thread_id_.load(); }

  SessionEnvironment environment;
  std::shared_ptr<ConnectionCount> count;
  boost::asio::io_context io;

 private:
  void tick();
  void drive_all();

  boost::asio::steady_timer ticker_;
  boost::asio::steady_timer drain_timer_;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_;
  std::atomic<bool> has_moved_ = true;
  bool draining_ = false;
  base::Duration next_refusal_noted_{0};
  std::mutex mutex_;
  bool open_ = true;  // guarded by mutex_
};

}  // namespace trv::http
