#pragma once
// What libcurl waits for on its sockets, passed on to epoll. Used by the broker's thread only.
//
// A request on a connection that is used again goes from one wait to the next several times, and mostly ends where it
// began. So changes are kept until apply(), and cost a system call only where something is left of them.

#include <curl/curl.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace trv::egress {

class SocketWatch {
 public:
  /// `poll`: of epoll; outlives the watch.
  explicit SocketWatch(int poll) : poll_(poll) {}

  /// A socket that close() will close. Changes of other sockets, such as those of the resolver, are passed on at once:
  /// they may be closed without a word, and their numbers used again.
  void opened(curl_socket_t socket) { watches_[socket] = {.is_ours = true}; }
  int close(curl_socket_t socket);
  /// `what`: CURL_POLL_…
  void want(curl_socket_t socket, int what);
  /// Before each wait.
  void apply();

 private:
  struct Watch {
    bool is_ours = false;
    std::uint32_t wanted = 0;  ///< events of epoll; 0: none
    std::uint32_t watched = 0;
  };
  void apply(curl_socket_t socket, Watch& watch) const;

  int poll_;
  std::unordered_map<curl_socket_t, Watch> watches_;
  std::vector<curl_socket_t> changed_;
};

}  // namespace trv::egress
