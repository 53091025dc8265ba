#pragma once
// Moves tenants between shards, as the log asks for: trv.tenant.move_requested in the platform's shard. Every node runs
// one; each makes the steps of the shards that it owns, and learns of the others' from the projections that it keeps of
// their shards. So a node that ends in the middle of a move leaves the rest to those that own the shards next.

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "kernel/node/node.hpp"

namespace trv::node {

struct MoverPorts {
  /// Begins no further try of the tenant's effects in the shard. True: none is under way, and each outcome is recorded.
  std::function<bool(log::ShardId shard, const base::TenantId& tenant)> hold;
  /// Takes that back.
  std::function<void(log::ShardId shard, const base::TenantId& tenant)> let_go;
  /// A line for the operator.
  std::function<void(const std::string& line)> report;
};

/// start() and stop() from one thread, wake() from any.
class Mover {
 public:
  /// What is passed outlives the mover.
  Mover(const Node& node, const base::Clock& clock, MoverPorts ports);
  ~Mover();
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

  /// After Node::start().
  void start();
  /// Idempotent.
  void stop();
  /// Records of the shard were committed here. Cheap where nothing moves.
  void wake(log::ShardId shard);

 private:
  void run();
  [[nodiscard]] base::Result<std::vector<tenancy::Move>> moves() const;
  [[nodiscard]] base::Status step(const tenancy::Move& move);
  [[nodiscard]] base::Status leave(Shard& from, const tenancy::Move& move);
  [[nodiscard]] base::Status enter(const Shard& from, Shard& to, const tenancy::Move& move);
  [[nodiscard]] base::Status settle(const Shard& from, const Shard& to, const tenancy::Move& move);
  [[nodiscard]] bool is_read_no_more(const tenancy::Move& move);

  const Node& node_;
  const base::Clock& clock_;
  const MoverPorts ports_;
  std::map<std::uint64_t, base::Duration> placed_at_;  ///< monotonic, by the number of the move; of the thread
  std::map<std::string, std::string> reported_;        ///< the last line about each tenant; of the thread
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_woken_ = true;
  bool is_moving_ = false;
  bool is_stopping_ = false;
  std::thread thread_;
};

}  // namespace trv::node
