#pragma once
// This node among those that share the shards: which of them it owns, and where the owners of the others are.

#include <spdlog/fwd.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "events/kafka/membership.hpp"
#include "events/keys/cluster_key.hpp"
#include "kernel/config/config.hpp"
#include "kernel/http/server.hpp"
#include "kernel/node/certificates.hpp"
#include "kernel/node/forwarder.hpp"
#include "kernel/node/node.hpp"
#include "kernel/node/peer_watch.hpp"

namespace trv::daemon {

/// That of the configuration, by default that of the host.
[[nodiscard]] std::string node_name(const config::Config& config);

class Cluster {
 public:
  /// `clock` outlives the cluster. Precondition: config.shares_shards().
  Cluster(const config::Config& config, const keys::ClusterKey& key, const base::Clock& clock,
          std::shared_ptr<spdlog::logger> logger);
  /// As leave().
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// For node::NodeOptions; valid as long as the cluster. Until join() nobody owns anything.
  [[nodiscard]] node::Forward forward();

  /// Has a server listen at node.address, for the other nodes alone. Valid as long as the cluster. Error: invalid where
  /// the host of node.address has no address.
  [[nodiscard]] base::Result<http::ServerOptions> for_nodes(http::ServerOptions options) const;

  /// Called with shards of this node before it gives them up. Records what is under way in them.
  using BeforeCede = std::function<void(const std::set<log::ShardId>& shards)>;
  /// Joins the others; the shards come and go from then on. `node` follows all of them by now, and outlives the
  /// membership. `port` is the one that listens for the other nodes. Errors: of the configuration.
  [[nodiscard]] base::Status join(node::Node& node, std::uint16_t port, BeforeCede before_cede);
  /// Returns when the platform's shard has an owner, and the system tenant where that is another node; true: this node
  /// owns it. Error: cancelled where `stop` asked for the end.
  [[nodiscard]] base::Result<bool> wait_for_platform(const std::stop_token& stop) const;
  /// false: hands the shards over to the others, and waits for that; this node follows them from then on. true: takes
  /// its part again. Any thread. Errors: unavailable where that was not done in time; it goes on; conflict where a
  /// later version of travd wrote what this one cannot apply.
  [[nodiscard]] base::Status take_part(bool takes_part);
  /// Error: conflict where no other node is known that takes shards: those of this one would have no owner. Any thread.
  [[nodiscard]] base::Status refuse_last() const;
  /// Hands the shards over, and leaves. Idempotent.
  void leave();

  [[nodiscard]] const kafka::Member& self() const noexcept { return self_; }
  /// As the brokers know them, as of the last second.
  [[nodiscard]] std::vector<node::Peer> peers() const;
  void forward_to(const std::string& address, http::Responder responder) {
    forwarder_.forward_to(address, std::move(responder));
  }

 private:
  [[nodiscard]] std::vector<kafka::Member> members() const;
  [[nodiscard]] std::string owner_of(log::ShardId shard) const;
  /// Error: another node has another number of shards, or the same name.
  [[nodiscard]] base::Status refuse_misfit(const kafka::Settings& settings) const;
  void take(const std::set<log::ShardId>& shards);
  void inherit(const std::set<log::ShardId>& shards);
  void own(const std::set<log::ShardId>& shards, std::set<log::ShardId>& among);
  void give_up(const std::set<log::ShardId>& shards);
  void keep(const std::stop_token& stop);
  void watch_others();
  /// Of the first shard that this version of travd cannot follow; empty where it can follow all.
  [[nodiscard]] std::string outdated_because() const;
  /// Looks at `condition`, without the mutex, until it holds or `within` is over or `stop` asks for the end. Returns
  /// whether it holds.
  bool await(const std::function<bool()>& condition, base::Duration within, const std::stop_token& stop = {}) const;

  const config::Config config_;
  const base::Clock& clock_;
  const std::shared_ptr<spdlog::logger> logger_;
  kafka::Member self_;
  node::Node* node_ = nullptr;
  BeforeCede before_cede_;
  mutable std::mutex mutex_;
  mutable std::condition_variable_any pause_;  ///< between two looks; ends early with its stop token alone
  std::set<log::ShardId> assigned_;
  std::set<log::ShardId> inherited_;  ///< of a node that has ended; none of `assigned_`
  bool gives_up_ = false;             ///< shards that are not assigned any more are on their way
  std::unique_ptr<kafka::Membership> membership_;
  std::unique_ptr<node::PeerWatch> watch_;
  std::jthread keeper_;  ///< claims again what is assigned and was lost
  node::Certificates certificates_;
  node::Forwarder forwarder_;
};

}  // namespace trv::daemon
