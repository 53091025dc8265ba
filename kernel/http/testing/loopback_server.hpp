#pragma once
// Sockets that listen on 127.0.0.1, on a port chosen by the system, for tests of whatever talks to a server.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace trv::http {

/// Connections wait in its queue; it accepts none by itself.
class LoopbackListener {
 public:
  LoopbackListener() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 64), 0);
    EXPECT_EQ(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~LoopbackListener() { ::close(socket_); }
  LoopbackListener(const LoopbackListener&) = delete;
  LoopbackListener& operator=(const LoopbackListener&) = delete;

  [[nodiscard]] int socket() const noexcept { return socket_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  int socket_;
  std::uint16_t port_ = 0;
};

/// An HTTP/1.1 server with a thread for each connection. The handler gets a whole request and returns the whole
/// response; an empty one closes the connection, and so does one that says "Connection: close" once it is sent. What is
/// not HTTP is answered with 400. The handler is called on those threads. Not imitated: chunked requests, answers in
/// parts.
class LoopbackServer {
 public:
  using Handler = std::function<std::string(const std::string& request)>;

  explicit LoopbackServer(Handler handler) : handler_(std::move(handler)) {
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~LoopbackServer() {
    stopping_ = true;
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
  }

  [[nodiscard]] std::string url() const { return listener_.url(); }
  [[nodiscard]] int sockets_accepted() const { return sockets_accepted_; }
  [[nodiscard]] std::vector<std::string> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  bool readable(int fd) const {
    while (!stopping_) {
      pollfd waiting{fd, POLLIN, 0};
      if (::poll(&waiting, 1, 10) > 0) return true;
    }
    return false;
  }
  void accept_all() {
    while (readable(listener_.socket())) {
      const int fd = ::accept(listener_.socket(), nullptr, nullptr);
      if (fd < 0) continue;
      ++sockets_accepted_;
      threads_.emplace_back([this, fd] { serve(fd); });
    }
  }
  void serve(int fd) {
    std::string buffer;
    while (readable(fd)) {
      char bytes[65536];
      const ssize_t count = ::recv(fd, bytes, sizeof bytes, 0);
      if (count <= 0) break;
      buffer.append(bytes, static_cast<std::size_t>(count));
      if (buffer.front() < 'A' || buffer.front() > 'Z') {  // of a TLS client for example
        constexpr std::string_view refusal = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
        static_cast<void>(::send(fd, refusal.data(), refusal.size(), MSG_NOSIGNAL));
        break;
      }
      const std::size_t end = buffer.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      std::size_t body = 0;
      if (const std::size_t at = buffer.find("Content-Length: "); at < end) body = std::stoul(buffer.substr(at + 16));
      if (buffer.size() < end + 4 + body) continue;
      const std::string request = buffer.substr(0, end + 4 + body);
      buffer.erase(0, request.size());
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const std::string response = handler_(request);
      if (response.empty() || ::send(fd, response.data(), response.size(), MSG_NOSIGNAL) < 0) break;
      if (response.find("\r\nConnection: close\r\n") < response.find("\r\n\r\n")) break;
    }
    ::close(fd);
  }

  Handler handler_;
  LoopbackListener listener_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> sockets_accepted_ = 0;
  std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace trv::http
