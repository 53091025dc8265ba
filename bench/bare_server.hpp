#pragma once
// A server for benchmarks: one thread with epoll that answers fixed bytes to whatever a read returns, without looking
// at it. The least that an HTTP server costs.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "bench/report.hpp"

namespace trv::bench {

class BareServer {
 public:
  explicit BareServer(std::string answer)
      : answer_(std::move(answer)),
        listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 1024) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      give_up("no port on loopback");
    }
    port_ = ntohs(address.sin_port);
    watch(listener_);
    thread_ = std::thread([this] { run(); });
  }
  ~BareServer() {
    stopping_ = true;
    thread_.join();
    for (const int open : open_) ::close(open);
    ::close(listener_);
    ::close(epoll_);
  }
  BareServer(const BareServer&) = delete;
  BareServer& operator=(const BareServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  void watch(int descriptor) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = descriptor;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) give_up("epoll_ctl");
  }
  void run() {
    epoll_event events[128];
    char bytes[4096];
    while (!stopping_) {
      const int count = ::epoll_wait(epoll_, events, 128, 50);
      for (int i = 0; i < count; ++i) {
        const int descriptor = events[i].data.fd;
        if (descriptor == listener_) {
          const int accepted = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
          const int on = 1;
          ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          watch(accepted);
          open_.push_back(accepted);
        } else if (::recv(descriptor, bytes, sizeof bytes, 0) <= 0) {
          ::epoll_ctl(epoll_, EPOLL_CTL_DEL, descriptor, nullptr);
        } else if (::send(descriptor, answer_.data(), answer_.size(), MSG_NOSIGNAL) < 0) {
          give_up("a fixed answer was not taken");
        }
      }
    }
  }

  std::string answer_;
  int listener_;
  int epoll_;
  std::uint16_t port_ = 0;
  std::vector<int> open_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace trv::bench
