#include "kernel/node/peer_watch.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::node {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// Until the next attempt: the other side may close a connection for its own reasons, for example an idle one.
constexpr auto again_after_min = std::chrono::milliseconds(5);
constexpr auto again_after_max = std::chrono::milliseconds(1000);

}  // namespace

/// On the loop's thread alone.
class PeerWatch::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(asio::io_context& io, std::string address, const Ended& ended)
      : address_(std::move(address)), ended_(ended), resolver_(io), socket_(io), timer_(io) {}

  void begin() {
    // Once: what a name means is known when its node has ended.
    if (place_) return connect();
    const std::size_t colon = address_.rfind(':');
    TRV_EXPECTS(colon != std::string::npos);
    std::string host = address_.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    resolver_.async_resolve(host, address_.substr(colon + 1),
                            [self = shared_from_this()](error_code error, const tcp::resolver::results_type& found) {
                              if (self->is_over_) return;
                              if (error || found.empty()) return self->begin_again();
                              self->place_ = found.begin()->endpoint();
                              self->connect();
                            });
  }

  void end() {
    is_over_ = true;
    resolver_.cancel();
    timer_.cancel();
    close();
  }

 private:
  void close() {
    error_code ignored;  // it is over either way
    socket_.close(ignored);
  }

  void connect() {
    TRV_EXPECTS(place_.has_value());
    close();
    socket_.async_connect(*place_, [self = shared_from_this()](error_code error) {
      if (self->is_over_) return;
      // A reset is the end of a connection that was made.
      if (!error || error == asio::error::connection_reset) return self->hold();
      if (error == asio::error::connection_refused && std::exchange(self->was_held_, false)) {
        self->ended_(self->address_);
      }
      self->begin_again();
    });
  }

  void hold() {
    was_held_ = true;
    timer_.expires_after(again_after_max);
    timer_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->again_after_ = again_after_min;
    });
    // Nothing is said: what can be read is its end.
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code) {
      if (!self->is_over_) self->begin_again();
    });
  }

  void begin_again() {
    close();
    timer_.expires_after(again_after_);
    again_after_ = std::min(2 * again_after_, again_after_max);
    timer_.async_wait([self = shared_from_this()](error_code) {
      if (!self->is_over_) self->begin();
    });
  }

  const std::string address_;
  const Ended& ended_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  std::optional<tcp::endpoint> place_;
  std::chrono::milliseconds again_after_ = again_after_min;
  bool was_held_ = false;
  bool is_over_ = false;
};

struct PeerWatch::Loop {
  explicit Loop(Ended called) : ended(std::move(called)) {}

  const Ended ended;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> stays = asio::make_work_guard(io);
  std::map<std::string, std::shared_ptr<Connection>> connections;  ///< the thread's own
  std::thread thread{[this] { io.run(); }};
};

PeerWatch::PeerWatch(Ended ended) : loop_(std::make_unique<Loop>(std::move(ended))) {
  TRV_EXPECTS(loop_->ended != nullptr);
}

PeerWatch::~PeerWatch() {
  loop_->io.stop();
  loop_->thread.join();
}

void PeerWatch::watch(std::set<std::string> addresses) {
  // What another program in the group calls itself need not be an address.
  std::erase_if(addresses, [](const std::string& address) { return !address.contains(':'); });
  asio::post(loop_->io, [loop = loop_.get(), addresses = std::move(addresses)] {
    for (auto known = loop->connections.begin(); known != loop->connections.end();) {
      if (addresses.contains(known->first)) {
        ++known;
        continue;
      }
      known->second->end();
      known = loop->connections.erase(known);
    }
    for (const std::string& address : addresses) {
      auto& known = loop->connections[address];
      if (known) continue;
      known = std::make_shared<Connection>(loop->io, address, loop->ended);
      known->begin();
    }
  });
}

}  // namespace trv::node
