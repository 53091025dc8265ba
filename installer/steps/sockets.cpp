#include "installer/steps/sockets.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "sdk/base/frees.hpp"

namespace trv::steps {
namespace {

using base::ErrorCode;
using base::OpenFile;

constexpr std::size_t status_line_bytes = 12;  // "HTTP/1.1 200"

using Addresses = std::unique_ptr<addrinfo, base::Frees<::freeaddrinfo>>;

base::Result<Addresses> look_up(const std::string& host, const std::string& port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return base::fail(ErrorCode::unavailable, fmt::format("{}: {}", host, ::gai_strerror(error)));
  return Addresses(found);
}

/// Waits at most that long in a connect, a write or a read.
void set_patience(int socket, base::Duration patience) {
  timeval time{};
  time.tv_sec = static_cast<time_t>(patience.count() / 1'000'000'000);
  time.tv_usec = static_cast<suseconds_t>(patience.count() / 1'000 % 1'000'000);
  static_cast<void>(::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time));
  static_cast<void>(::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time));
}

base::Result<OpenFile> connection(const std::string& host, const std::string& port, base::Duration patience) {
  TRV_TRY_ASSIGN(const Addresses found, look_up(host, port, 0));
  int error = ECONNREFUSED;
  for (const addrinfo* at = found.get(); at != nullptr; at = at->ai_next) {
    OpenFile socket(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    set_patience(socket.number(), patience);
    if (::connect(socket.number(), at->ai_addr, at->ai_addrlen) == 0) return socket;
    error = errno;
  }
  return base::fail(ErrorCode::unavailable, fmt::format("{}:{}: {}", host, port, std::strerror(error)));
}

// The beginning of the answer; shorter where there is none.
std::string ask(int socket, std::string_view request) {
  if (::send(socket, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) return {};
  std::string answer(status_line_bytes, '\0');
  const ssize_t size = ::recv(socket, answer.data(), answer.size(), MSG_WAITALL);
  answer.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  return answer;
}

std::string ask_over_tls(int socket, std::string_view request) {
  const std::unique_ptr<SSL_CTX, base::Frees<SSL_CTX_free>> context(SSL_CTX_new(TLS_client_method()));
  const std::unique_ptr<SSL, base::Frees<SSL_free>> ssl(context ? SSL_new(context.get()) : nullptr);
  if (!ssl || SSL_set_fd(ssl.get(), socket) != 1 || SSL_connect(ssl.get()) != 1 ||
      SSL_write(ssl.get(), request.data(), static_cast<int>(request.size())) <= 0) {
    return {};
  }
  std::string answer(status_line_bytes, '\0');
  std::size_t got = 0;
  while (got < answer.size()) {
    const int size = SSL_read(ssl.get(), answer.data() + got, static_cast<int>(answer.size() - got));
    if (size <= 0) break;
    got += static_cast<std::size_t>(size);
  }
  answer.resize(got);
  return answer;
}

}  // namespace

base::Result<OpenFile> listening_socket(const std::string& address, std::uint16_t port) {
  TRV_TRY_ASSIGN(const Addresses found, look_up(address, std::to_string(port), AI_NUMERICHOST | AI_PASSIVE));
  OpenFile socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  constexpr int on = 1;
  if (!socket.is_open() || ::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket.number(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(socket.number(), 4096) != 0) {
    return base::fail(ErrorCode::unavailable, fmt::format("{}:{}: {}", address, port, std::strerror(errno)));
  }
  return socket;
}

base::Status reach(std::string_view place, base::Duration patience) {
  const std::size_t colon = place.rfind(':');
  if (colon == std::string_view::npos)
    return base::fail(ErrorCode::invalid, fmt::format("'{}' is not host:port", place));
  TRV_TRY_ASSIGN(const OpenFile socket,
                 connection(std::string(place.substr(0, colon)), std::string(place.substr(colon + 1)), patience));
  return {};
}

base::Result<int> status_of(const std::string& address, std::uint16_t port, Transport transport, std::string_view path,
                            base::Duration patience) {
  const std::string host = address == "0.0.0.0" ? "127.0.0.1" : address == "::" ? "::1" : address;
  TRV_TRY_ASSIGN(const OpenFile socket, connection(host, std::to_string(port), patience));
  const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
  const std::string answer =
      transport == Transport::tls ? ask_over_tls(socket.number(), request) : ask(socket.number(), request);
  int status = 0;
  if (answer.size() == status_line_bytes) std::from_chars(answer.data() + 9, answer.data() + 12, status);
  if (status >= 100) return status;
  return base::fail(ErrorCode::unavailable, fmt::format("GET {}: no answer", path));
}

void wait_a_while(base::Duration time) {
  const timespec wait{.tv_sec = time.count() / 1'000'000'000, .tv_nsec = time.count() % 1'000'000'000};
  static_cast<void>(::ppoll(nullptr, 0, &wait, nullptr));
}

}  // namespace trv::steps
