#pragma once
// Notices at once that the process of another node has ended: its machine closes its connections then, and refuses new
// ones. A machine or a network that goes silent is not noticed here.

#include <functional>
#include <memory>
#include <set>
#include <string>

namespace trv::node {

/// Holds a connection to the port for the other nodes of each peer; nothing is sent over it. watch(): any thread.
class PeerWatch {
 public:
  /// A connection to this address was held and has ended, and a new one is refused. Not again before one was held
  /// again. Called on the watch's thread; must not block for long.
  using Ended = std::function<void(const std::string& address)>;

  explicit PeerWatch(Ended ended);
  ~PeerWatch();
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;

  /// From now on these addresses, "host:port", and no others. Those that stay keep their connections. What is not an
  /// address is passed over.
  void watch(std::set<std::string> addresses);

 private:
  class Connection;
  struct Loop;

  const std::unique_ptr<Loop> loop_;
};

}  // namespace trv::node
