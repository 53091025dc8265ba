#pragma once
// A client for benchmarks: one thread, this one, over keep-alive connections to loopback, with epoll. Bounded: at most
// one request in flight per connection. Anything unexpected ends the program.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <vector>

#include "bench/report.hpp"

namespace trv::bench {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// Reads one answer with Content-Length after the other.
class HttpConnection {
 public:
  explicit HttpConnection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      give_up(fmt::format("nobody listens on port {}", port));
    }
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~HttpConnection() {
    if (socket_ >= 0) ::close(socket_);
  }
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;
  HttpConnection(HttpConnection&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), received_(std::move(other.received_)) {}
  HttpConnection& operator=(HttpConnection&&) = delete;

  [[nodiscard]] int socket() const { return socket_; }
  void send(std::string_view request) {
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
      give_up("a request was not taken");
    }
  }
  /// Waits for more bytes; nothing while the answer is not whole.
  [[nodiscard]] std::optional<HttpAnswer> receive() {
    char bytes[16 * 1024];
    const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
    if (got <= 0) give_up("the server closed a connection");
    received_.append(bytes, static_cast<std::size_t>(got));
    const std::size_t head = received_.find("\r\n\r\n");
    if (head == std::string::npos) return std::nullopt;
    constexpr std::string_view length_field = "Content-Length: ";
    const std::size_t field = received_.find(length_field);
    std::size_t length = 0;
    if (field < head) {
      std::from_chars(received_.data() + field + length_field.size(), received_.data() + head, length);
    }
    if (received_.size() < head + 4 + length) return std::nullopt;
    HttpAnswer answer{.status = std::atoi(received_.c_str() + std::string_view("HTTP/1.1 ").size()),
                      .body = received_.substr(head + 4, length)};
    received_.erase(0, head + 4 + length);
    return answer;
  }
  [[nodiscard]] HttpAnswer ask(std::string_view request) {
    send(request);
    for (;;) {
      if (auto answer = receive()) return *std::move(answer);
    }
  }

 private:
  int socket_;
  std::string received_;
};

struct HttpLoad {
  std::uint64_t requests = 0;
  double requests_per_s = 0;
  double p50_ms = 0;
  double p99_ms = 0;
};

struct HttpTarget {
  std::uint16_t port = 0;
  std::string request;
};

/// Sends requests for `seconds`, each connection that of its target, the targets in turn: as fast as answers come, or
/// `rate` a second by the clock, where latency counts from the moment at which a request was due, so that a slow server
/// is not spared.
inline HttpLoad drive(const std::vector<HttpTarget>& targets, std::size_t connections, int status_expected,
                      double seconds, std::optional<double> rate = std::nullopt) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) give_up("no epoll");
  std::vector<HttpConnection> peers;
  std::vector<double> due(connections);
  std::vector<std::size_t> idle;
  for (std::size_t i = 0; i < connections; ++i) {
    peers.emplace_back(targets[i % targets.size()].port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, peers.back().socket(), &event) != 0) give_up("no epoll");
    idle.push_back(i);
  }
  std::vector<double> took;
  took.reserve(1'000'000);
  std::uint64_t sent = 0;
  const Stopwatch watch;
  epoll_event events[256];
  for (double now = 0; now < seconds || idle.size() < connections; now = watch.seconds()) {
    while (now < seconds && !idle.empty() && (!rate || static_cast<double>(sent) / *rate <= now)) {
      const std::size_t one = idle.back();
      idle.pop_back();
      due[one] = rate ? static_cast<double>(sent) / *rate : now;
      ++sent;
      peers[one].send(targets[one % targets.size()].request);
    }
    const int wait_ms = rate && !idle.empty() && now < seconds ? 1 : 10'000;
    const int count = ::epoll_wait(epoll, events, 256, wait_ms);
    if (count < 0 || (count == 0 && wait_ms > 1)) give_up("no answer within ten seconds");
    const double answered = watch.seconds();
    for (int i = 0; i < count; ++i) {
      const std::size_t one = events[i].data.u64;
      const auto answer = peers[one].receive();
      if (!answer) continue;
      if (answer->status != status_expected) give_up(fmt::format("answer {}: {}", answer->status, answer->body));
      took.push_back(answered - due[one]);
      idle.push_back(one);
    }
  }
  const double whole = watch.seconds();
  ::close(epoll);
  if (took.empty()) give_up("no request was answered");
  std::ranges::sort(took);
  return {took.size(), static_cast<double>(took.size()) / whole, took[took.size() / 2] * 1e3,
          took[took.size() * 99 / 100] * 1e3};
}

inline HttpLoad drive(std::uint16_t port, std::size_t connections, std::string_view request, int status_expected,
                      double seconds, std::optional<double> rate = std::nullopt) {
  return drive({{port, std::string(request)}}, connections, status_expected, seconds, rate);
}

}  // namespace trv::bench
