#include "kernel/http/loop.hpp"

#if defined(__SANITIZE_THREAD__)
// Asio's handlers end in a fence, which g++ says ThreadSanitizer does not model; ours are ordered by locks besides.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#include <boost/asio/ip/tcp.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "kernel/http/tls.hpp"

namespace trv::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

/// How long a connection that we close under unread input waits for the peer to have read the answer.
constexpr base::Duration linger_time = std::chrono::seconds(1);
/// A client sends its request right behind its connection.
constexpr base::Duration first_word_time = std::chrono::milliseconds(20);
/// What a handshake may take that is under way when the server stops.
constexpr base::Duration handshake_time = std::chrono::seconds(1);
/// Between two lines of the log about peers that were not let in.
constexpr base::Duration refusal_pause = std::chrono::seconds(10);

std::string imf_fixdate(base::Timestamp time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(std::chrono::nanoseconds(time.ns()));
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(static_cast<std::time_t>(seconds.count())));
}

std::string text_of(const asio::generic::stream_protocol::endpoint& peer) {
  asio::ip::tcp::endpoint endpoint;
  TRV_EXPECTS(peer.size() <= endpoint.capacity());
  std::memcpy(endpoint.data(), peer.data(), peer.size());
  const asio::ip::address address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

/// Who is behind a Unix socket, as the kernel of the host says: "unix:" and the number of the user.
std::string text_of_user(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "unix";
  return fmt::format("unix:{}", peer.uid);
}

base::Duration tick_interval(const ServerOptions& options) {
  const base::Duration shortest = std::min({options.idle_timeout, options.request_timeout, options.heartbeat_interval});
  return std::clamp<base::Duration>(shortest / 8, std::chrono::milliseconds(5), std::chrono::milliseconds(500));
}

}  // namespace

std::string closing_answer(const Response& response) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n{}",
      response.status, reason_phrase(response.status), response.content_type, response.body.size(), response.body);
}

/// A session with its socket.
class Connection final : public Session {
 public:
  Connection(std::shared_ptr<Loop> loop, StreamSocket socket, std::optional<TlsChannel> tls,
             std::string_view remote_address)
      : Session(loop->environment, remote_address),
        loop_(std::move(loop)),
        socket_(std::move(socket)),
        tls_(std::move(tls)),
        began_(loop_->environment.now) {}

  void wake() noexcept override {
    if (loop_->on_thread() && driving_) return;
    loop_->post([self = shared_connection()] { self->drive(); });
  }

  void drive();
  void look_at_time();
  void begin_drain() {
    is_draining_ = true;
    drain();
    if (!may_have_asked()) drive();
  }
  void close();

 private:
  std::shared_ptr<Connection> shared_connection() { return std::static_pointer_cast<Connection>(shared_from_this()); }
  [[nodiscard]] bool may_have_asked();
  [[nodiscard]] bool is_about_to_ask() const;
  [[nodiscard]] bool flush();
  void read();
  void read_sealed();
  void on_read(error_code error, std::size_t size);
  void turn_away();
  void linger();
  [[nodiscard]] bool shakes_hands_for_too_long() const;

  std::shared_ptr<Loop> loop_;
  StreamSocket socket_;
  std::optional<TlsChannel> tls_;  ///< over the socket; goes first
  const base::Duration began_;
  bool knows_peer_ = false;  ///< by its certificate, where it has shown one
  bool is_draining_ = false;
  bool driving_ = false;
  bool reading_ = false;
  bool awaiting_writable_ = false;
  bool lingering_ = false;
  bool closed_ = false;
  base::Duration linger_until_{0};
};

void Connection::drive() {
  if (closed_ || driving_ || lingering_) return;
  if (is_draining_ && is_about_to_ask()) return;
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

/// A request is here and was not read yet, or is on its way behind the connection: it is read and answered, and what
/// was not asked by then is closed by Loop::drain.
bool Connection::may_have_asked() {
  error_code error;
  return !closed_ && !lingering_ && (socket_.available(error) > 0 || loop_->environment.now - began_ < first_word_time);
}

/// A handshake is under way, with a request behind it.
bool Connection::is_about_to_ask() const {
  return tls_ && !tls_->is_established() && loop_->environment.now - began_ < handshake_time;
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
    socket_.async_wait(for_input ? StreamSocket::wait_read : StreamSocket::wait_write,
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
    if (self->tls_->is_established() && !std::exchange(self->knows_peer_, true)) {
      self->set_certificate_names(self->tls_->peer_names());
    }
    self->on_read(error, size);
  };
  if (tls_->has_pending()) return asio::post(loop_->io, [go_on] { go_on({}); });
  socket_.async_wait(tls_->wants_write() ? StreamSocket::wait_write : StreamSocket::wait_read, go_on);
}

/// Says why, in the log and to the peer, which has an alert of TLS by now.
void Connection::turn_away() {
  loop_->note_refusal(request().remote_address(), tls_->refusal());
  if (tls_->speaks_plain_http()) {
    const std::string_view why =
        loop_->environment.options->is_for_nodes
            ? "this port is for the other nodes, over TLS; clients use the port of the API, http.port\n"
            : "this port speaks HTTP over TLS; use an address that begins with https://\n";
    const std::string answer = closing_answer(text(400, std::string(why)));
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
  if (tls_) tls_->end_output();
  error_code error;
  socket_.shutdown(StreamSocket::shutdown_send, error);
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
  if (stuck() || shakes_hands_for_too_long()) return close();
  drive();
}

// As long as a request's head may take.
bool Connection::shakes_hands_for_too_long() const {
  return tls_ && !tls_->is_established() &&
         loop_->environment.now - began_ >= loop_->environment.options->request_timeout;
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  if (tls_ && must_reset()) tls_->break_off();
  tls_.reset();
  error_code ignored;  // the connection is over either way
  if (must_reset()) socket_.set_option(StreamSocket::linger(true, 0), ignored);
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

void Loop::adopt(StreamSocket socket) {
  refresh_time();
  error_code error;
  const auto peer = socket.remote_endpoint(error);
  const bool is_local = !error && peer.protocol().family() == AF_UNIX;
  if (!error) socket.non_blocking(true, error);
  if (!error && !is_local) socket.set_option(asio::ip::tcp::no_delay(true), error);
  if (error) return count->remove();  // gone before it was looked at
  std::optional<TlsChannel> tls;
  if (environment.options->tls && !is_local) {
    const auto context = environment.options->tls();
    auto accepted = context ? TlsChannel::accept(*context, socket.native_handle()) : base::fail(context.error());
    if (!accepted) {
      environment.log->error("{}", accepted.error().message());
      return count->remove();
    }
    tls.emplace(*std::move(accepted));
  }
  const std::string address = is_local ? text_of_user(socket.native_handle()) : text_of(peer);
  auto connection = std::make_shared<Connection>(shared_from_this(), std::move(socket), std::move(tls), address);
  connections_.emplace(connection.get(), connection);
  connection->drive();
  if (draining_) connection->begin_drain();
}

void Loop::note_refusal(std::string_view peer, std::string_view why) {
  if (environment.now < next_refusal_noted_) return;
  next_refusal_noted_ = environment.now + refusal_pause;
  const bool is_node = environment.options->is_for_nodes;
  environment.log->log(is_node ? spdlog::level::warn : spdlog::level::info,
                       "a connection from {} to the port of the {} is refused: {}", peer, is_node ? "nodes" : "API",
                       why);
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

void Loop::drive_all() {
  refresh_time();
  std::vector<std::shared_ptr<Connection>> all;  // closing one changes the map
  for (const auto& [pointer, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->drive();
}

void Loop::drain() {
  draining_ = true;
  refresh_time();
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [pointer, connection] : connections_) all.push_back(connection);
  for (const auto& connection : all) connection->begin_drain();
  drain_timer_.expires_after(first_word_time);
  drain_timer_.async_wait([this](error_code error) {
    if (!error) drive_all();
  });
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
  drain_timer_.cancel();
  io.restart();
  io.poll();
  TRV_ENSURES(connections_.empty());
}

}  // namespace trv::http
