#include "tests/support/stand_ins/server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>

#include <list>
#include <mutex>
#include <thread>

namespace trv::stand_ins {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::uint64_t body_bytes_max = 2'000'000;

Request copy(const http::request<http::string_body>& raw) {
  Request request;
  request.method = std::string(raw.method_string());
  const std::string_view target(raw.target().data(), raw.target().size());
  request.path = std::string(target.substr(0, target.find('?')));
  for (const auto& field : raw) request.headers.emplace_back(field.name_string(), field.value());
  request.body = raw.body();
  return request;
}

http::response<http::string_body> copy(const Answer& answer, unsigned version, bool keep_alive) {
  http::response<http::string_body> raw(static_cast<http::status>(answer.status), version);
  for (const auto& [name, value] : answer.headers) raw.set(name, value);
  raw.body() = answer.body;
  raw.keep_alive(keep_alive);
  if (answer.status != 204) raw.prepare_payload();
  return raw;
}

class LoopbackServer final : public Server {
 public:
  LoopbackServer(StandIns& stand_ins, base::Duration delay)
      : stand_ins_(stand_ins), delay_(delay), acceptor_(context_) {}

  ~LoopbackServer() override {
    error_code ignored;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      for (Connection& connection : connections_) connection.socket.shutdown(tcp::socket::shutdown_both, ignored);
    }
    // A blocking accept is not woken by close; shutdown of the listening socket does it on Linux.
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    if (listener_.joinable()) listener_.join();
    for (Connection& connection : connections_) connection.thread.join();
  }

  error_code listen(std::uint16_t port) {
    error_code failure;
    const tcp::endpoint endpoint(asio::ip::address_v4::loopback(), port);
    acceptor_.open(endpoint.protocol(), failure);
    if (!failure) acceptor_.set_option(tcp::acceptor::reuse_address(true), failure);
    if (!failure) acceptor_.bind(endpoint, failure);
    if (!failure) acceptor_.listen(asio::socket_base::max_listen_connections, failure);
    if (!failure) port_ = acceptor_.local_endpoint(failure).port();
    if (!failure) listener_ = std::thread([this] { accept(); });
    return failure;
  }

  std::uint16_t port() const noexcept override { return port_; }

 private:
  struct Connection {
    explicit Connection(tcp::socket accepted) : socket(std::move(accepted)) {}
    tcp::socket socket;
    std::thread thread = {};
    bool done = false;
  };

  void accept() {
    while (true) {
      error_code failure;
      tcp::socket socket(context_);
      acceptor_.accept(socket, failure);
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      for (auto i = connections_.begin(); i != connections_.end();) {
        if (i->done) i->thread.join();
        i = i->done ? connections_.erase(i) : std::next(i);
      }
      if (failure) continue;
      Connection& connection = connections_.emplace_back(std::move(socket));
      connection.thread = std::thread([this, &connection] { serve(connection); });
    }
  }

  void serve(Connection& connection) {
    beast::flat_buffer buffer;
    error_code failure;
    while (answer_one(connection.socket, buffer)) {
    }
    const std::lock_guard lock(mutex_);
    connection.socket.shutdown(tcp::socket::shutdown_both, failure);
    connection.done = true;
  }

  /// Whether the connection goes on.
  bool answer_one(tcp::socket& socket, beast::flat_buffer& buffer) {
    error_code failure;
    http::request_parser<http::string_body> parser;
    parser.body_limit(body_bytes_max);
    http::read(socket, buffer, parser, failure);
    if (failure == http::error::body_limit) {
      http::write(socket, copy(Answer{.status = 413}, 11, false), failure);
      return false;
    }
    if (failure) return false;
    const auto& raw = parser.get();
    const std::optional<Answer> answer = stand_ins_.answer(copy(raw));
    std::this_thread::sleep_for(delay_);
    if (!answer) return false;
    http::write(socket, copy(*answer, raw.version(), raw.keep_alive()), failure);
    return !failure && raw.keep_alive();
  }

  StandIns& stand_ins_;
  base::Duration delay_;
  asio::io_context context_;
  tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  std::thread listener_;
  std::mutex mutex_;
  bool stopping_ = false;
  std::list<Connection> connections_;  // guarded by mutex_ until listener_ has ended
};

}  // namespace

base::Result<std::unique_ptr<Server>> Server::start(StandIns& stand_ins, std::uint16_t port, base::Duration delay) {
  auto server = std::make_unique<LoopbackServer>(stand_ins, delay);
  if (const error_code failure = server->listen(port))
    return base::fail(base::ErrorCode::unavailable,
                      fmt::format("cannot listen on 127.0.0.1:{}: {}", port, failure.message()));
  return server;
}

}  // namespace trv::stand_ins
