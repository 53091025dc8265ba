#include "kernel/egress/socket_watch.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include "sdk/base/contract.hpp"

namespace trv::egress {

// The system watches a closed socket no more, and may give its number to the next one.
int SocketWatch::close(curl_socket_t socket) {
  watches_.erase(socket);
  return ::close(socket);
}

void SocketWatch::want(curl_socket_t socket, int what) {
  Watch& watch = watches_[socket];
  watch.wanted = 0;
  if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) watch.wanted |= EPOLLIN;
  if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) watch.wanted |= EPOLLOUT;
  if (watch.is_ours) {
    changed_.push_back(socket);
    return;
  }
  apply(socket, watch);
  if (what == CURL_POLL_REMOVE) watches_.erase(socket);
}

void SocketWatch::apply() {
  for (const curl_socket_t socket : changed_) {
    if (const auto at = watches_.find(socket); at != watches_.end()) apply(socket, at->second);
  }
  changed_.clear();
}

// A socket that cannot be watched ends with its request's deadline; an error here would end every request.
void SocketWatch::apply(curl_socket_t socket, Watch& watch) const {
  TRV_EXPECTS(socket >= 0 && socket != poll_);
  if (watch.wanted == watch.watched) return;
  epoll_event event{};
  event.events = watch.wanted;
  event.data.fd = socket;
  const int how = watch.wanted == 0 ? EPOLL_CTL_DEL : watch.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  watch.watched = ::epoll_ctl(poll_, how, socket, &event) == 0 ? watch.wanted : 0;
}

}  // namespace trv::egress
