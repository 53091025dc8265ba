#pragma once
// Requests that came to a node which does not own their shard: the node that does answers them.

#include <spdlog/fwd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "events/record/position.hpp"
#include "kernel/http/responder.hpp"
#include "kernel/http/tls_identity.hpp"
#include "kernel/http/workers.hpp"
#include "sdk/base/clock.hpp"

namespace trv::node {

/// "<hops>" or, for the shard in which the request is to be answered whatever its path says, "<hops> <shard>". It
/// counts in requests of other nodes alone: Request::is_from_node().
inline constexpr std::string_view forwarded_header = "Travertine-Forwarded";

/// A node among those that share the shards.
struct Peer {
  std::string node;
  std::string address;  ///< "host:port" of its port for the other nodes
  std::string version;  ///< of its travd
  std::set<record::ShardId> shards;
};

/// Sends requests on over TLS, each with everything that it came with: the owner checks the token itself. Any thread.
class Forwarder {
 public:
  /// Where the owner of a shard is reached, "host:port"; empty where that is not known now. Any thread.
  using OwnerOf = std::function<std::string(record::ShardId shard)>;

  /// What this node shows the others; called on threads of the forwarder.
  using Identity = std::function<http::TlsIdentity()>;

  /// `clock` outlives the forwarder.
  Forwarder(OwnerOf owner_of, Identity identity, std::shared_ptr<spdlog::logger> logger, const base::Clock& clock);
  /// Requests that wait for an owner are answered 503.
  ~Forwarder();
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  /// Answers with what the owner of the shard answers; what comes in parts as it comes, a few at a time. Where nobody
  /// is known to own it, or the owner cannot be reached, it looks again for a few seconds; then 503. So is a peer that
  /// is not a node of this cluster, and an answer that was cut off, of which it is not known whether the request took
  /// effect. `says_shard`: the owner is to answer although the path does not lead there.
  void forward(record::ShardId shard, http::Responder responder, bool says_shard = false);

  /// The same, to a node at this address.
  void forward_to(std::string address, http::Responder responder);

 private:
  /// Where to, and what is said where nobody is there.
  struct Way {
    std::function<std::string()> address;
    std::string header;
    std::string unreachable;
  };
  void queue(Way way, http::Responder responder);
  void send(const Way& way, http::Responder& responder);
  struct GivesBack {
    void operator()(std::atomic<std::size_t>* count) const noexcept { count->fetch_sub(1); }
  };
  /// One of those that are passed on in parts at a time; nullptr: there are as many as there may be.
  using Slot = std::unique_ptr<std::atomic<std::size_t>, GivesBack>;
  [[nodiscard]] Slot take_slot();
  /// False: the forwarder ends.
  [[nodiscard]] bool wait_a_moment();

  const OwnerOf owner_of_;
  const Identity identity_;
  const std::shared_ptr<spdlog::logger> logger_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::condition_variable ends_;
  bool is_ending_ = false;
  std::atomic<std::size_t> in_parts_ = 0;  ///< answers that are passed on so
  http::Workers workers_;
};

}  // namespace trv::node
