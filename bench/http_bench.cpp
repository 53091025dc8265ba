// Requests per second of the HTTP transport with a trivial handler, keep-alive, over loopback, client and server on one
// machine. It compares with a bare epoll loop that answers fixed bytes to every read: what sockets alone cost here.
//
// Prints one JSON line per figure; see bench/report.hpp.

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/bare_server.hpp"
#include "bench/report.hpp"
#include "kernel/http/server.hpp"
#include "kernel/http/testing/test_authority.hpp"
#include "sdk/base/frees.hpp"

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::string_view request = "GET /v1/tenants/acme/instances/42 HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\n\r\n";
constexpr std::string_view fixed_answer =
    "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-Request-Id: 0000000000000000-00000000\r\n"
    "Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}";

[[noreturn]] void give_up(std::string_view what) {
  fmt::print(stderr, "http_bench: {} failed: {}\n", what, std::strerror(errno));
  std::exit(1);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

struct Load {
  double requests_per_s = 0;
  double p50_us = 0;
  double p99_us = 0;
  double server_cpu_us = 0;  ///< of the whole process but the client thread, per request
};

double cpu_us(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto us = [](timeval time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

using Ssl = std::unique_ptr<SSL, trv::base::Frees<SSL_free>>;
using SslContext = std::unique_ptr<SSL_CTX, trv::base::Frees<SSL_CTX_free>>;

/// A socket, perhaps with TLS over it.
struct Wire {
  int socket = -1;
  Ssl ssl = nullptr;

  Wire(std::uint16_t port, SSL_CTX* tls) : socket(::socket(AF_INET, SOCK_STREAM, 0)) {
    const sockaddr_in address = loopback(port);
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) give_up("connect");
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (tls == nullptr) return;
    ssl.reset(SSL_new(tls));
    SSL_set_fd(ssl.get(), socket);
    if (SSL_connect(ssl.get()) != 1) give_up("TLS handshake");
  }
  void send(std::string_view bytes) const {
    const auto size = static_cast<ssize_t>(bytes.size());
    const ssize_t sent = ssl ? SSL_write(ssl.get(), bytes.data(), static_cast<int>(size))
                             : ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent != size) give_up("send");
  }
  [[nodiscard]] std::size_t receive(std::span<char> bytes) const {
    const ssize_t got = ssl ? SSL_read(ssl.get(), bytes.data(), static_cast<int>(bytes.size()))
                            : ::recv(socket, bytes.data(), bytes.size(), 0);
    if (got <= 0) give_up("reading answers");
    return static_cast<std::size_t>(got);
  }
};

/// Handshakes a second, one after the other, each with one request; without resumption.
double handshakes_per_s(std::uint16_t port, SSL_CTX* tls, SteadyClock::duration length) {
  std::array<char, 4096> bytes{};
  std::size_t count = 0;
  const auto began = SteadyClock::now();
  for (; SteadyClock::now() - began < length; ++count) {
    const Wire wire(port, tls);
    wire.send(request);
    static_cast<void>(wire.receive(bytes));
    ::close(wire.socket);
  }
  return static_cast<double>(count) / std::chrono::duration<double>(SteadyClock::now() - began).count();
}

/// One client thread, this one, drives `connections` with one request in flight on each (or `pipelined`) for `length`.
Load drive(std::uint16_t port, std::size_t connections, std::size_t pipelined, SteadyClock::duration length,
           SSL_CTX* tls = nullptr) {
  struct Peer {
    std::unique_ptr<Wire> wire;
    std::size_t bytes_due = 0;
    SteadyClock::time_point sent;
  };
  std::string batch;
  for (std::size_t i = 0; i < pipelined; ++i) batch += request;
  const int epoll = ::epoll_create1(0);
  std::vector<Peer> peers(connections);
  std::size_t answer_bytes = 0;
  char bytes[64 * 1024];
  for (std::size_t i = 0; i < peers.size(); ++i) {
    Peer& peer = peers[i];
    peer.wire = std::make_unique<Wire>(port, tls);
    // One request first: it tells how long an answer is, and that it is one.
    peer.wire->send(request);
    answer_bytes = peer.wire->receive(bytes);
    if (std::string_view(bytes, 15) != "HTTP/1.1 200 OK") give_up("first answer");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, peer.wire->socket, &event) != 0) give_up("epoll_ctl");
  }
  const auto send_batch = [&](Peer& peer, SteadyClock::time_point now) {
    peer.wire->send(batch);
    peer.bytes_due = answer_bytes * pipelined;
    peer.sent = now;
  };

  std::vector<std::uint32_t> took_us;
  took_us.reserve(4'000'000);
  const double cpu_before = cpu_us(RUSAGE_SELF) - cpu_us(RUSAGE_THREAD);
  const auto began = SteadyClock::now();
  for (Peer& peer : peers) send_batch(peer, began);
  std::size_t answered = 0;
  auto now = began;
  epoll_event events[256];
  while (now - began < length) {
    const int count = ::epoll_wait(epoll, events, 256, 1000);
    if (count <= 0) give_up("waiting for answers");
    now = SteadyClock::now();
    for (int i = 0; i < count; ++i) {
      Peer& peer = peers[events[i].data.u64];
      do {
        const std::size_t got = peer.wire->receive(bytes);
        if (got > peer.bytes_due) give_up("reading answers");
        peer.bytes_due -= got;
      } while (peer.wire->ssl && SSL_pending(peer.wire->ssl.get()) > 0);
      if (peer.bytes_due > 0) continue;
      answered += pipelined;
      took_us.push_back(
          static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::microseconds>(now - peer.sent).count()));
      send_batch(peer, now);
    }
  }
  const double seconds = std::chrono::duration<double>(now - began).count();
  const double cpu_after = cpu_us(RUSAGE_SELF) - cpu_us(RUSAGE_THREAD);
  for (const Peer& peer : peers) ::close(peer.wire->socket);
  ::close(epoll);
  std::sort(took_us.begin(), took_us.end());
  return {static_cast<double>(answered) / seconds, static_cast<double>(took_us[took_us.size() / 2]),
          static_cast<double>(took_us[took_us.size() * 99 / 100]),
          (cpu_after - cpu_before) / static_cast<double>(answered)};
}

}  // namespace

int main() {
  using namespace trv;
  constexpr auto length = std::chrono::seconds(2);
  constexpr std::size_t connections = 64;

  Load bare;
  {
    const bench::BareServer server{std::string(fixed_answer)};
    bare = drive(server.port(), connections, 1, length);
  }
  base::SystemClock clock;
  base::SystemRandom random;
  const auto serve = [&](http::ServerOptions options) {
    http::Router router;
    router.route("GET", "/v1/tenants/{tenant}/instances/{id}", [](const http::Request&, http::Responder responder) {
      responder.send(http::json_text(200, "{\"ok\":true}"));
    });
    auto server = std::make_unique<http::Server>(
        std::move(options), std::move(router), clock, random,
        std::make_shared<spdlog::logger>("bench", std::make_shared<spdlog::sinks::null_sink_mt>()));
    if (const base::Status started = server->start(); !started) give_up(started.error().message());
    return server;
  };
  std::unique_ptr<http::Server> server = serve({.threads = 1});
  const Load one = drive(server->port(), 1, 1, length);
  const Load many = drive(server->port(), connections, 1, length);
  const Load pipelined = drive(server->port(), connections, 16, length);
  server->stop(std::chrono::seconds(1));

  ::signal(SIGPIPE, SIG_IGN);  // as travd does
  const http::TestAuthority authority;
  const auto context = http::TlsContext::for_clients(authority.issue());
  if (!context) give_up(context.error().message());
  server = serve({.threads = 1, .tls = [&] { return context; }});
  const SslContext tls(SSL_CTX_new(TLS_client_method()));
  const Load sealed = drive(server->port(), connections, 1, length, tls.get());
  const double handshakes = handshakes_per_s(server->port(), tls.get(), length);
  server->stop(std::chrono::seconds(1));

  constexpr std::string_view bare_loop = "bare epoll loop with a fixed answer, 64 connections";
  bench::report({.name = "http_requests",
                 .value = many.requests_per_s,
                 .unit = "requests/s",
                 .compares_with = bare_loop,
                 .ratio = many.requests_per_s / bare.requests_per_s,
                 .floor = bench::at_least(40'000)});
  bench::report({.name = "http_request_cpu",
                 .value = many.server_cpu_us,
                 .unit = "us/request",
                 .compares_with = bare_loop,
                 .ratio = many.server_cpu_us / bare.server_cpu_us});
  bench::report({.name = "http_request_p99",
                 .value = many.p99_us,
                 .unit = "us",
                 .compares_with = bare_loop,
                 .ratio = many.p99_us / bare.p99_us});
  bench::report({.name = "http_requests_pipelined",
                 .value = pipelined.requests_per_s,
                 .unit = "requests/s",
                 .compares_with = "the same without pipelining",
                 .ratio = pipelined.requests_per_s / many.requests_per_s});
  bench::report({.name = "http_requests_one_connection",
                 .value = one.requests_per_s,
                 .unit = "requests/s",
                 .compares_with = "64 connections",
                 .ratio = one.requests_per_s / many.requests_per_s});
  constexpr std::string_view plain = "the same without TLS";
  bench::report({.name = "http_requests_tls",
                 .value = sealed.requests_per_s,
                 .unit = "requests/s",
                 .compares_with = plain,
                 .ratio = sealed.requests_per_s / many.requests_per_s});
  bench::report({.name = "http_request_p50_tls",
                 .value = sealed.p50_us,
                 .unit = "us",
                 .compares_with = plain,
                 .ratio = sealed.p50_us / many.p50_us});
  bench::report({.name = "http_request_p99_tls",
                 .value = sealed.p99_us,
                 .unit = "us",
                 .compares_with = plain,
                 .ratio = sealed.p99_us / many.p99_us});
  bench::report({.name = "http_handshakes_tls",
                 .value = handshakes,
                 .unit = "handshakes/s",
                 .compares_with = "requests on connections that are open, with TLS",
                 .ratio = handshakes / sealed.requests_per_s});
  return 0;
}
