#pragma once
// A raw socket for tests of HTTP servers: sends any bytes, reads answers, never waits longer than ten seconds.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace trv::http {

/// What came back, header names in lower case.
struct RawAnswer {
  int status = 0;  ///< 0: the connection ended before an answer
  std::map<std::string, std::string> headers;
  std::string body;
};

/// One connection to 127.0.0.1. One thread.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port, int receive_buffer_bytes = 0) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (receive_buffer_bytes > 0) {
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  [[nodiscard]] bool connected() const noexcept { return connected_; }

  /// False where the peer has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void end_sending() { ::shutdown(socket_, SHUT_WR); }

  /// Reads one answer with Content-Length, or without body for 1xx, 204, 304 and `head_only`.
  RawAnswer read_answer(bool head_only = false) {
    RawAnswer answer;
    std::size_t end = std::string::npos;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive(10'000)) return answer;
    }
    const std::string head = received_.substr(0, end + 2);
    received_.erase(0, end + 4);
    answer.status = std::stoi(head.substr(9, 3));
    for (std::size_t line = head.find("\r\n") + 2; line < head.size();) {
      const std::size_t line_end = head.find("\r\n", line);
      const std::size_t colon = head.find(": ", line);
      std::string name = head.substr(line, colon - line);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      answer.headers[name] = head.substr(colon + 2, line_end - colon - 2);
      line = line_end + 2;
    }
    const auto length = answer.headers.find("content-length");
    if (head_only || length == answer.headers.end()) return answer;
    const std::size_t size = std::stoul(length->second);
    while (received_.size() < size) {
      if (!receive(10'000)) break;
    }
    answer.body = received_.substr(0, size);
    received_.erase(0, size);
    return answer;
  }

  /// Reads until `text` has arrived, or the end; returns everything up to and with it.
  std::string read_until(std::string_view text) {
    std::size_t at = 0;
    while ((at = received_.find(text)) == std::string::npos) {
      if (!receive(10'000)) return std::exchange(received_, {});
    }
    std::string result = received_.substr(0, at + text.size());
    received_.erase(0, result.size());
    return result;
  }

  /// Reads to the end of the connection.
  std::string read_all() {
    while (receive(10'000)) {
    }
    return std::exchange(received_, {});
  }

  /// The peer closes within `timeout_ms`; what it sends before is kept.
  bool closes(int timeout_ms = 5000) {
    while (receive(timeout_ms)) {
    }
    return ended_;
  }
  /// The connection ended as one that broke.
  [[nodiscard]] bool was_reset() const noexcept { return was_reset_; }

 private:
  bool receive(int timeout_ms) {
    pollfd poll_fd{socket_, POLLIN, 0};
    if (::poll(&poll_fd, 1, timeout_ms) <= 0) return false;
    char bytes[16384];
    const ssize_t size = ::recv(socket_, bytes, sizeof bytes, 0);
    if (size <= 0) {
      ended_ = true;
      was_reset_ = size < 0;
      return false;
    }
    received_.append(bytes, static_cast<std::size_t>(size));
    return true;
  }

  int socket_ = -1;
  bool connected_ = false;
  bool ended_ = false;
  bool was_reset_ = false;
  std::string received_;
};

}  // namespace trv::http
