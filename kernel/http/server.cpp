#include "kernel/http/server.hpp"

#if defined(__SANITIZE_THREAD__)
// Asio's handlers end in a fence, which g++ says ThreadSanitizer does not model; ours are ordered by locks besides.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <utility>
#include <vector>

#include "kernel/http/listen.hpp"
#include "kernel/http/loop.hpp"
#include "sdk/base/contract.hpp"

namespace trv::http {
namespace {

namespace asio = boost::asio;
using base::ErrorCode;
using boost::system::error_code;

/// Pause after accept() failed for want of file descriptors or memory.
constexpr auto accept_pause = std::chrono::milliseconds(50);

std::uint16_t port_of(const asio::generic::stream_protocol::endpoint& bound) {
  asio::ip::tcp::endpoint endpoint;
  TRV_EXPECTS(bound.size() <= endpoint.capacity());
  std::memcpy(endpoint.data(), bound.data(), bound.size());
  return endpoint.port();
}

}  // namespace

/// What exists between start() and stop().
class Server::Running {
 public:
  Running(const Server& server, base::Random& random)
      : options_(*server.options_), log_(server.log_), workers_(options_.workers, options_.workers_waiting_max) {
    for (std::size_t i = 0; i < options_.threads; ++i) {
      SessionEnvironment environment{large_body_bytes_,
                                     server.router_,
                                     server.options_,
                                     server.is_open_,
                                     workers_,
                                     server.clock_,
                                     log_,
                                     random.next(),
                                     0,
                                     {},
                                     {}};
      loops_.push_back(std::make_shared<Loop>(std::move(environment), count_));
    }
    listeners_.push_back(std::make_unique<Listener>(loops_.front()->io));
    if (!options_.socket_path.empty()) listeners_.push_back(std::make_unique<Listener>(loops_.front()->io));
  }

  ~Running() {
    // The first loop's thread hands connections to the others: it ends first.
    for (const auto& loop : loops_) loop->end();
    if (owns_socket_) ::unlink(options_.socket_path.c_str());
  }

  base::Status listen() {
    TRV_TRY(http::listen(listeners_.front()->acceptor, options_));
    port_ = port_of(listeners_.front()->acceptor.local_endpoint());
    if (options_.socket_path.empty()) return {};
    TRV_TRY(listen_on_socket(listeners_.back()->acceptor, options_));
    owns_socket_ = true;
    return {};
  }

  void run() {
    if (!accepts_when_open()) accept_all();
    for (const auto& loop : loops_) loop->start();
  }

  void open() {
    if (!accepts_when_open()) return;
    loops_.front()->post([this] {
      if (!stopping_) accept_all();
    });
  }

  void stop(base::Duration grace) {
    for (const auto& loop : loops_) TRV_EXPECTS(!loop->on_thread());
    count_->add();  // until what was accepted before is handed over
    loops_.front()->post([this] {
      stopping_ = true;
      error_code ignored;  // nothing is left to do with a listening socket that does not close
      for (const auto& listener : listeners_) {
        listener->acceptor.close(ignored);
        listener->timer.cancel();
      }
      // Behind every connection that was accepted before, so that each is drained.
      loops_.front()->post([this] {
        for (const auto& loop : loops_) loop->post([loop] { loop->drain(); });
        count_->remove();
      });
    });
    if (grace > base::Duration::zero()) count_->wait_for_none(grace);
  }

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] bool has_moved() {
    bool all = true;
    for (const auto& loop : loops_) all = loop->has_moved() && all;
    return all;
  }
  [[nodiscard]] std::size_t connections() const noexcept { return count_->value(); }

 private:
  struct Listener {
    explicit Listener(asio::io_context& io) : acceptor(io), timer(io) {}
    StreamAcceptor acceptor;
    asio::steady_timer timer;  ///< for a pause
  };

  // Connections to a socket that others hold, too, wait in it: the one who held it before has answered all of its own.
  [[nodiscard]] bool accepts_when_open() const noexcept {
    return options_.listening_socket >= 0 && !options_.opens_at_start;
  }

  void accept_all() {
    for (const auto& listener : listeners_) accept(*listener);
  }

  void accept(Listener& listener) {
    const std::shared_ptr<Loop>& loop = loops_[next_loop_++ % loops_.size()];
    listener.acceptor.async_accept(loop->io, [this, loop, &listener](error_code error, StreamSocket socket) {
      if (error && (stopping_ || error == asio::error::operation_aborted)) return;
      if (error) {
        log_->warn("a connection could not be accepted: {}", error.message());
        listener.timer.expires_after(accept_pause);
        listener.timer.async_wait([this, &listener](error_code cancelled) {
          if (!cancelled && !stopping_) accept(listener);
        });
        return;
      }
      if (count_->value() >= options_.connections_max) {
        refuse(socket);
      } else {
        count_->add();
        loop->post(
            [loop, handed = std::make_shared<StreamSocket>(std::move(socket))] { loop->adopt(std::move(*handed)); });
      }
      if (!stopping_) accept(listener);
    });
  }

  void refuse(StreamSocket& socket) {
    if (options_.tls) return;  // who awaits a handshake does not read it
    const std::string answer =
        closing_answer(problem_of(base::Error(ErrorCode::unavailable, "the server has too many connections")));
    error_code error;
    socket.non_blocking(true, error);
    // A courtesy: whether it arrives changes nothing.
    if (!error) socket.write_some(asio::buffer(answer), error);
    if (!error) socket.shutdown(StreamSocket::shutdown_send, error);
  }

  const ServerOptions& options_;
  std::shared_ptr<spdlog::logger> log_;
  std::shared_ptr<ConnectionCount> count_ = std::make_shared<ConnectionCount>();
  Workers workers_;  // ends behind the loops, which hand it work
  std::shared_ptr<std::atomic<std::size_t>> large_body_bytes_ = std::make_shared<std::atomic<std::size_t>>(0);
  std::vector<std::shared_ptr<Loop>> loops_;
  std::vector<std::unique_ptr<Listener>> listeners_;  ///< of TCP, and of the Unix socket
  bool owns_socket_ = false;
  std::size_t next_loop_ = 0;
  bool stopping_ = false;
  std::uint16_t port_ = 0;
};

Server::Server(ServerOptions options, Router router, const base::Clock& clock, base::Random& random,
               std::shared_ptr<spdlog::logger> log)
    : options_(std::make_shared<const ServerOptions>(std::move(options))),
      router_(std::make_shared<const Router>(std::move(router))),
      is_open_(std::make_shared<std::atomic<bool>>(options_->opens_at_start)),
      clock_(clock),
      random_(random),
      log_(std::move(log)) {
  TRV_EXPECTS(log_ != nullptr);
}

Server::~Server() {
  stop(base::Duration::zero());
}

base::Status Server::start() {
  TRV_EXPECTS(running_ == nullptr);
  const auto require = [](bool holds, std::string_view what) -> base::Status {
    if (holds) return {};
    return base::fail(ErrorCode::invalid, fmt::format("HTTP server option {}", what));
  };
  constexpr std::size_t header_bytes_limit = 1024 * 1024;
  TRV_TRY(require(options_->threads >= 1 && options_->threads <= 256, "threads must be 1 to 256"));
  TRV_TRY(require(options_->header_bytes_max >= 256 && options_->header_bytes_max <= header_bytes_limit,
                  "header_bytes_max must be 256 to 1048576"));
  TRV_TRY(require(options_->connections_max >= 1, "connections_max must be at least 1"));
  TRV_TRY(require(options_->workers >= 1 && options_->workers_waiting_max >= 1,
                  "workers and workers_waiting_max must be at least 1"));
  TRV_TRY(require(options_->idle_timeout > base::Duration::zero(), "idle_timeout must be above 0"));
  TRV_TRY(require(options_->request_timeout > base::Duration::zero(), "request_timeout must be above 0"));
  TRV_TRY(require(options_->heartbeat_interval > base::Duration::zero(), "heartbeat_interval must be above 0"));
  try {
    auto running = std::make_unique<Running>(*this, random_);
    TRV_TRY(running->listen());
    running->run();
    running_ = std::move(running);
    return {};
  } catch (const std::exception& exception) {
    return base::fail(ErrorCode::unavailable, fmt::format("the HTTP server cannot start: {}", exception.what()));
  }
}

void Server::open() {
  if (!is_open_->exchange(true) && running_) running_->open();
}

bool Server::is_open() const noexcept {
  return is_open_->load();
}

std::uint16_t Server::port() const noexcept {
  return running_ ? running_->port() : 0;
}

bool Server::has_moved() {
  return running_ == nullptr || running_->has_moved();
}

std::size_t Server::connections() const noexcept {
  return running_ ? running_->connections() : 0;
}

void Server::stop(base::Duration grace) {
  if (!running_) return;
  running_->stop(grace);
  running_.reset();
}

}  // namespace trv::http
