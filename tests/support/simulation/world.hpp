#pragma once
// The daemon's own unit of a shard under simulation. It moves only when it is asked to, so that a seed decides
// everything: its log, clock and randomness are simulated, and what it would do on a thread aside it does on its own.

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "events/blob/in_memory_blob_store.hpp"
#include "events/catalog/event_catalog.hpp"
#include "events/log/in_memory_event_log.hpp"
#include "kernel/node/shard.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"
#include "tests/support/simulation/bug.hpp"
#include "tests/support/simulation/buggy_log.hpp"

namespace trv::simulation {

/// A command and what became of it.
struct Sent {
  base::TenantId tenant;
  base::Uuid correlation;  ///< in every record that the command led to
  base::Result<shard::Applied> outcome = base::fail(base::ErrorCode::internal, "never answered");
};
using Decide = std::function<base::Result<shard::Decision>(const lmdb::Txn& state, shard::DecisionContext& context)>;

struct WorldOptions {
  std::uint64_t seed = 1;
  log::ShardId shard;
  std::filesystem::path folder;
  Bug bug = Bug::none;
};

/// One thread. Several worlds share a log and nothing else; each has a clock of its own, as a node of its own would.
class World {
 public:
  /// `extra` applies after the kernel's projectors, where it is not null. Contract: the shard starts.
  World(const WorldOptions& options, log::InMemoryEventLog& log, std::unique_ptr<projection::Projector> extra);
  ~World();

  /// To be part of the next batch.
  Sent& add(std::string_view tenant, Decide decide);
  /// Hands over what was added as exactly one batch, with `fault` called just before, and waits for every answer.
  void send(const std::function<void()>& fault = {});
  /// Waits until no timer is due and the shard is owned; time goes on where it has to. Then runs `then` while the
  /// shard's thread does nothing.
  void quiesce(const std::function<void()>& then = {});
  /// Time goes on by `elapsed`, and the wall clock is set by `step` besides. What was due before is done before.
  void move_clock(base::Duration elapsed, base::Duration step = {});
  /// Runs `work` while the shard's thread does nothing.
  void hold(const std::function<void()>& work);
  /// Stops the shard and starts another one on the same state.
  void restart();

  /// Effects without outcome, by tenant and age.
  [[nodiscard]] std::vector<shard::Effect> pending();
  /// The effects that were handed out since the last call, as often as they were.
  [[nodiscard]] std::vector<shard::Effect> take_handed_out();
  /// Of instances.
  [[nodiscard]] std::size_t timers() const;
  [[nodiscard]] lmdb::ReadTxn read() const;
  [[nodiscard]] const node::ShardStores& stores() const noexcept { return shard_->stores(); }
  [[nodiscard]] const projection::Projection& projection() const noexcept { return shard_->projection(); }
  [[nodiscard]] instance::Workflows workflows() { return shard_->decision_state(); }
  [[nodiscard]] log::ShardId shard() const noexcept { return options_.shard; }

  [[nodiscard]] base::Timestamp time() const noexcept { return time_; }

  std::vector<std::unique_ptr<Sent>> sent;
  std::uint64_t claims = 0;
  std::vector<std::string> problems;

 private:
  void start();
  void hand_out(shard::Effect effect);
  [[nodiscard]] std::vector<shard::Timer> due();

  WorldOptions options_;
  base::SimulatedClock clock_{base::Timestamp(1'767'225'600'000'000'000)};
  base::Timestamp time_ = clock_.now();  ///< the shard's: it goes on where the clock is set back
  base::Duration read_at_{};             ///< monotonic, when time_ was read last
  blob::InMemoryBlobStore blobs_;
  const catalog::EventCatalog catalog_ = catalog::EventCatalog::make();
  BuggyLog log_;
  std::unique_ptr<projection::Projector> extra_;
  base::SimulatedRandom random_;  ///< the shard's
  base::UuidSource correlations_;
  base::SimulatedRandom correlation_random_;
  std::mutex handed_out_mutex_;
  std::vector<shard::Effect> handed_out_;
  std::vector<std::string> handed_out_problems_;
  std::unique_ptr<node::Shard> shard_;
  std::vector<shard::Command> next_;
  std::vector<Sent*> next_sent_;
};

}  // namespace trv::simulation
