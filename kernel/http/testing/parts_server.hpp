#pragma once
// An HTTP/1.1 server whose answers come in parts, for tests of what reads them as they come.

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "kernel/http/testing/loopback_server.hpp"

namespace trv::http {

/// The answer to one request. On the thread of its connection.
class PartsAnswer {
 public:
  PartsAnswer(int socket, const std::atomic<bool>& stopping, std::atomic<std::uint64_t>& sent)
      : socket_(socket), stopping_(stopping), sent_(sent) {}

  /// Waits until the system has taken them. False: the client is gone, or the test is over.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      if (!wait_for(POLLOUT)) return false;
      const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
      sent_ += static_cast<std::uint64_t>(count);
    }
    return true;
  }
  /// In the chunked coding.
  bool send_chunk(std::string_view bytes) {
    char size[32];
    static_cast<void>(std::snprintf(size, sizeof size, "%zx\r\n", bytes.size()));
    return send(std::string(size) + std::string(bytes) + "\r\n");
  }
  /// What has come, at most so many bytes; waits for some. Empty: the client is gone, or the test is over.
  std::string receive(std::size_t bytes_max) {
    std::string bytes(bytes_max, ' ');
    const ssize_t count = wait_for(POLLIN) ? ::recv(socket_, bytes.data(), bytes.size(), 0) : 0;
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return bytes;
  }
  /// Waits until the client has closed its end. False: the test is over.
  bool client_is_gone() {
    for (;;) {
      if (!wait_for(POLLIN)) return false;
      char byte = 0;
      if (::recv(socket_, &byte, 1, 0) <= 0) return true;
    }
  }

 private:
  bool wait_for(short what) const {
    while (!stopping_) {
      pollfd waiting{socket_, what, 0};
      if (::poll(&waiting, 1, 10) > 0) return true;
    }
    return false;
  }

  int socket_;
  const std::atomic<bool>& stopping_;
  std::atomic<std::uint64_t>& sent_;
};

/// The body of a request as it comes, without its coding.
class PartsBody {
 public:
  PartsBody(const std::string& request, PartsAnswer& answer) : answer_(answer) {
    const std::size_t end = request.find("\r\n\r\n");
    waiting_ = request.substr(end + 4);
    const std::string head = request.substr(0, end + 2);
    is_chunked_ = head.contains("Transfer-Encoding: chunked\r\n");
    const std::size_t length = head.find("Content-Length: ");
    if (length != std::string::npos) left_ = std::stoull(head.substr(length + 16));
  }
  [[nodiscard]] bool is_chunked() const noexcept { return is_chunked_; }
  [[nodiscard]] bool is_whole() const noexcept { return is_whole_ || (!is_chunked_ && left_ == 0); }
  /// What has come since; empty: it is whole, or will never be.
  std::string next() {
    while (!is_whole()) {
      if (is_chunked_ && left_ == 0) {
        const std::size_t line = waiting_.find("\r\n");
        if (line != std::string::npos && line > 0) {
          left_ = std::stoull(waiting_.substr(0, line), nullptr, 16);
          waiting_.erase(0, line + 2);
          is_whole_ = left_ == 0;
          continue;
        }
        if (line == 0) {  // behind a chunk
          waiting_.erase(0, 2);
          continue;
        }
      } else if (!waiting_.empty()) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, waiting_.size()));
        std::string bytes = waiting_.substr(0, size);
        waiting_.erase(0, size);
        left_ -= size;
        return bytes;
      }
      const std::string more = answer_.receive(65'536);
      if (more.empty()) break;
      waiting_ += more;
    }
    return {};
  }

 private:
  PartsAnswer& answer_;
  std::string waiting_;
  std::uint64_t left_ = 0;  // of the body, or of the chunk
  bool is_chunked_ = false;
  bool is_whole_ = false;
};

/// A thread for each connection; the connection ends with the handler, which gets the head of the request and what is
/// there of its body.
class PartsServer {
 public:
  using Handler = std::function<void(const std::string& request, PartsAnswer& answer)>;

  explicit PartsServer(Handler handler) : handler_(std::move(handler)) {
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~PartsServer() {
    stopping_ = true;
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
  }
  PartsServer(const PartsServer&) = delete;
  PartsServer& operator=(const PartsServer&) = delete;

  [[nodiscard]] std::string url() const { return listener_.url(); }
  /// What the system took to send, of all answers.
  [[nodiscard]] std::uint64_t bytes_sent() const { return sent_; }

 private:
  void accept_all() {
    while (!stopping_) {
      pollfd waiting{listener_.socket(), POLLIN, 0};
      if (::poll(&waiting, 1, 10) <= 0) continue;
      const int socket = ::accept(listener_.socket(), nullptr, nullptr);
      if (socket >= 0) threads_.emplace_back([this, socket] { serve(socket); });
    }
  }
  void serve(int socket) {
    std::string request;
    while (!stopping_ && !request.contains("\r\n\r\n")) {
      pollfd waiting{socket, POLLIN, 0};
      if (::poll(&waiting, 1, 10) <= 0) continue;
      char bytes[4096];
      const ssize_t count = ::recv(socket, bytes, sizeof bytes, 0);
      if (count <= 0) break;
      request.append(bytes, static_cast<std::size_t>(count));
    }
    PartsAnswer answer(socket, stopping_, sent_);
    if (request.contains("\r\n\r\n")) handler_(request, answer);
    ::close(socket);
  }

  Handler handler_;
  LoopbackListener listener_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> sent_ = 0;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

inline constexpr std::string_view chunked_head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

}  // namespace trv::http
