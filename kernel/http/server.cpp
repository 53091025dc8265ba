#include "kernel/http/server.hpp"

#if defined(__SANITIZE_THREAD__)
// Asio's handlers end in a fence, which g++ says ThreadSanitizer does not model; ours are ordered by locks besides.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernel/http/listen.hpp"
#include "kernel/http/session.hpp"
#include "kernel/http/tls.hpp"
#include "sdk/base/contract.hpp"

namespace trv::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using base::ErrorCode;
using boost::system::error_code;

/// How long a connection that we close under unread input waits for the peer to have read the answer.
constexpr base::Duration linger_time = std::chrono::seconds(1);
/// Pause after accept() failed for want of file descriptors or memory.
constexpr auto accept_pause = std::chrono::milliseconds(50);
/// Between two lines of the log about peers that were not let in.
constexpr base::Duration refusal_pause = std::chrono::seconds(10);

std::string imf_fixdate(base::Timestamp time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(std::chrono::nanoseconds(time.ns()));
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(static_cast<std::time_t>(seconds.count())));
}

std::string text_of(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

/// An answer with which a connection ends.
std::string closing_answer(const Response& response) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n{}",
      response.status, reason_phrase(response.status), response.content_type, response.body.size(), response.body);
}

base::Duration tick_interval(const ServerOptions& options) {
  const base::Duration shortest = std::min({options.idle_timeout, options.request_timeout, options.heartbeat_interval});
  return std::clamp<base::Duration>(shortest / 8, std::chrono::milliseconds(5), std::chrono::milliseconds(500));
}

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
      : environment(std::move(shared)), count(std::move(connection_count)), io(1), ticker_(io) {}

  void start();
  /// Runs `work` on the loop's thread, or never where the loop has ended. Any thread.
  template <typename Work>
  void post(Work work) {
    const std::lock_guard lock(mutex_);
    if (open_) asio::post(io, std::move(work));
  }
  void adopt(tcp::socket socket);
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
  asio::io_context io;

 private:
  void tick();

  asio::steady_timer ticker_;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_;
  std::atomic<bool> has_moved_ = true;
  bool draining_ = false;
  base::Duration next_refusal_noted_{0};
  std::mutex mutex_;
  bool open_ = true;  // guarded by mutex_
};

/// A session with its socket.
class Connection final : public Session {
 public:
  Connection(std::shared_ptr<Loop> loop, tcp::socket socket, std::optional<TlsChannel> tls,
             std::string_view remote_address)
      : Session(loop->environment, remote_address),
        loop_(std::move(loop)),
        socket_(std::move(socket)),
        tls_(std::move(tls)),
        peer_(tls_ ? remote_address : "") {}

  void wake() noexcept override {
    if (loop_->on_thread() && driving_) return;
    loop_->post([self = shared_connection()] { self->drive(); });
  }

  void drive();
  void look_at_time();
  void begin_drain() {
    drain();
    drive();
  }
  void close();

 private:
  std::shared_ptr<Connection> shared_connection() { return std::static_pointer_cast<Connection>(shared_from_this()); }
  [[nodiscard]] bool flush();
  void read();
  void read_sealed();
  void on_read(error_code error, std::size_t size);
  void turn_away();
  void linger();

  std::shared_ptr<Loop> loop_;
  tcp::socket socket_;
  std::optional<TlsChannel> tls_;  ///< over the socket; goes first
  std::string peer_;               ///< address of the other node; empty without TLS
  bool driving_ = false;
  bool reading_ = false;
  bool awaiting_writable_ = false;
  bool lingering_ = false;
  bool closed_ = false;
  base::Duration linger_until_{0};
};

void Connection::drive() {
  if (closed_ || driving_ || lingering_) return;
  driving_ = true;
  for (;;) {
    const bool again = advance();
    if (!flush()) {
      driving_ = false;
      return;
    }
    if (!again) break;
  }
  driving_ = false;
  if (finished()) {
    if (has_unread_input()) return linger();
    return close();
  }
  if (wants_input()) read();
}

/// False: the socket takes no more now, or is closed; nothing is to be done before it is writable.
bool Connection::flush() {
  while (!output().empty()) {
    if (awaiting_writable_) return false;
    error_code error;
    const std::size_t sent =
        tls_ ? tls_->write(output(), error) : socket_.write_some(asio::buffer(output().data(), output().size()), error);
    if (!error) {
      output_sent(sent);
      continue;
    }
    if (error != asio::error::would_block && error != asio::error::try_again) {
      close();
      return false;
    }
    awaiting_writable_ = true;
    const bool for_input = tls_ && !tls_->wants_write();
    socket_.async_wait(for_input ? tcp::socket::wait_read : tcp::socket::wait_write,
                       [self = shared_connection()](error_code failed) {
                         self->awaiting_writable_ = false;
                         if (failed) return self->close();
                         self->loop_->refresh_time();
                         self->drive();
                       });
    return false;
  }
  return true;
}

void Connection::read() {
  if (reading_ || closed_) return;
  reading_ = true;
  if (tls_) return read_sealed();
  const std::span<char> room = input();
  socket_.async_read_some(
      asio::buffer(room.data(), room.size()),
      [self = shared_connection()](error_code error, std::size_t size) { self->on_read(error, size); });
}

void Connection::read_sealed() {
  const auto go_on = [self = shared_connection()](error_code error) {
    if (self->closed_) return;
    std::size_t size = 0;
    if (!error) {
      const std::span<char> room = self->input();
      size = self->tls_->read(room.data(), room.size(), error);
    }
    if (error == asio::error::would_block) return self->read_sealed();
    if (!self->tls_->refusal().empty()) return self->turn_away();
    self->on_read(error, size);
  };
  if (tls_->has_pending()) return asio::post(loop_->io, [go_on] { go_on({}); });
  socket_.async_wait(tls_->wants_write() ? tcp::socket::wait_write : tcp::socket::wait_read, go_on);
}

/// Says why, in the log and to the peer, which has an alert of TLS by now.
void Connection::turn_away() {
  loop_->note_refusal(peer_, tls_->refusal());
  if (tls_->speaks_plain_http()) {
    const std::string answer = closing_answer(problem(
        400, "invalid", "this port is for the other nodes, over TLS; clients use the port of the API, http.port"));
    error_code ignored;  // a courtesy: whether it arrives changes nothing
    socket_.write_some(asio::buffer(answer), ignored);
  }
  reading_ = false;
  tls_.reset();
  linger();
}

void Connection::on_read(error_code error, std::size_t size) {
  reading_ = false;
  if (closed_) return;
  if (lingering_) {
    if (error) return close();
    return read();
  }
  loop_->refresh_time();
  if (!error) {
    input_arrived(size);
  } else if (error == asio::error::eof) {
    input_ended();
  } else {
    return close();
  }
  drive();
}

void Connection::linger() {
  lingering_ = true;
  linger_until_ = loop_->environment.now + linger_time;
  error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) return close();
  read();
}

void Connection::look_at_time() {
  if (closed_) return;
  if (lingering_) {
    if (loop_->environment.now >= linger_until_) close();
    return;
  }
  tick();
  if (stuck()) return close();
  drive();
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  tls_.reset();
  error_code ignored;  // the connection is over either way
  if (must_reset()) socket_.set_option(tcp::socket::linger(true, 0), ignored);
  socket_.close(ignored);
  abandon();
  loop_->forget(this);
}

void Loop::start() {
  environment.date = imf_fixdate(environment.clock.now());
  refresh_time();
  tick();
  thread_ = std::thread([this] {
    thread_id_ = std::this_thread::get_id();
    io.run();
  });
}

void Loop::adopt(tcp::socket socket) {
  refresh_time();
  error_code error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (!error) socket.non_blocking(true, error);
  if (!error) socket.set_option(tcp::no_delay(true), error);
  if (error || draining_) return count->remove();  // gone before it was looked at
  std::optional<TlsChannel> tls;
  if (environment.options->identity) {
    auto accepted = TlsChannel::accept(environment.options->identity(), socket.native_handle());
    if (!accepted) {
      environment.log->error("{}", accepted.error().message());
      return count->remove();
    }
    tls.emplace(*std::move(accepted));
  }
  auto connection =
      std::make_shared<Connection>(shared_from_this(), std::move(socket), std::move(tls), text_of(peer.address()));
  connections_.emplace(connection.get(), connection);
  connection->drive();
}

void Loop::note_refusal(std::string_view peer, std::string_view why) {
  if (environment.now < next_refusal_noted_) return;
  next_refusal_noted_ = environment.now + refusal_pause;
  environment.log->warn("a connection from {} to the port of the nodes is refused: {}", peer, why);
}

void Loop::forget(Connection* connection) {
  const auto known = connections_.find(connection);
  TRV_ASSERT(known != connections_.end());
  const std::shared_ptr<Connection> last = std::move(known->second);
  connections_.erase(known);
  count->remove();
}

void Loop::tick() {
  ticker_.expires_after(tick_interval(*environment.options));
  ticker_.async_wait([this](error_code error) {
    if (error) return;
    environment.date = imf_fixdate(environment.clock.now());
    refresh_time();
    std::vector<std::shared_ptr<Connection>> all;  // closing one changes the map
    all.reserve(connections_.size());
    for (const auto& [pointer, connection] : connections_) all.push_back(connection);
    for (const auto& connection : all) connection->look_at_time();
    tick();
  });
}

void Loop::drain() {
  draining_ = true;
  refresh_time();
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [pointer, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->begin_drain();
}

void Loop::end() {
  TRV_EXPECTS(!on_thread());
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  io.stop();
  if (thread_.joinable()) thread_.join();
  // This thread owns the loop from here. Queued handlers hold connections, which hold the loop: run them all out.
  draining_ = true;
  while (!connections_.empty()) connections_.begin()->second->close();
  ticker_.cancel();
  io.restart();
  io.poll();
  TRV_ENSURES(connections_.empty());
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
    acceptor_.emplace(loops_.front()->io);
    accept_timer_.emplace(loops_.front()->io);
  }

  ~Running() {
    // The first loop's thread hands connections to the others: it ends first.
    for (const auto& loop : loops_) loop->end();
  }

  base::Status listen() {
    TRV_TRY(http::listen(*acceptor_, options_));
    port_ = acceptor_->local_endpoint().port();
    return {};
  }

  void run() {
    accept();
    for (const auto& loop : loops_) loop->start();
  }

  void stop(base::Duration grace) {
    for (const auto& loop : loops_) TRV_EXPECTS(!loop->on_thread());
    loops_.front()->post([this] {
      stopping_ = true;
      error_code ignored;  // nothing is left to do with a listening socket that does not close
      acceptor_->close(ignored);
      accept_timer_->cancel();
      // Behind every connection that was handed over before, so that each is drained.
      for (const auto& loop : loops_) loop->post([loop] { loop->drain(); });
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
  void accept() {
    const std::shared_ptr<Loop>& loop = loops_[next_loop_++ % loops_.size()];
    acceptor_->async_accept(loop->io, [this, loop](error_code error, tcp::socket socket) {
      if (stopping_ || error == asio::error::operation_aborted) return;
      if (error) {
        log_->warn("a connection could not be accepted: {}", error.message());
        accept_timer_->expires_after(accept_pause);
        accept_timer_->async_wait([this](error_code cancelled) {
          if (!cancelled && !stopping_) accept();
        });
        return;
      }
      if (count_->value() >= options_.connections_max) {
        refuse(socket);
      } else {
        count_->add();
        loop->post(
            [loop, handed = std::make_shared<tcp::socket>(std::move(socket))] { loop->adopt(std::move(*handed)); });
      }
      accept();
    });
  }

  void refuse(tcp::socket& socket) {
    const std::string answer =
        closing_answer(problem_of(base::Error(ErrorCode::unavailable, "the server has too many connections")));
    error_code error;
    socket.non_blocking(true, error);
    // A courtesy: whether it arrives changes nothing.
    if (!error) socket.write_some(asio::buffer(answer), error);
    if (!error) socket.shutdown(tcp::socket::shutdown_send, error);
  }

  const ServerOptions& options_;
  std::shared_ptr<spdlog::logger> log_;
  std::shared_ptr<ConnectionCount> count_ = std::make_shared<ConnectionCount>();
  Workers workers_;  // ends behind the loops, which hand it work
  std::shared_ptr<std::atomic<std::size_t>> large_body_bytes_ = std::make_shared<std::atomic<std::size_t>>(0);
  std::vector<std::shared_ptr<Loop>> loops_;
  std::optional<tcp::acceptor> acceptor_;
  std::optional<asio::steady_timer> accept_timer_;
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

void Server::open() noexcept {
  is_open_->store(true);
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
