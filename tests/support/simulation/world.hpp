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
#include "tests/support/simulation/node_log.hpp"

namespace trv::simulation {

/// A command and what became of it.
struct Sent {
  base::TenantId tenant;
  base::Uuid correlation;  ///< in every record that the command led to
  base::Result<shard::Applied> outcome = base::fail(base::ErrorCode::internal, "never answered");
};
class World;
/// `here` is the world that decides.
using Decide =
    std::function<base::Result<shard::Decision>(World& here, const lmdb::Txn& state, shard::DecisionContext& context)>;

struct WorldOptions {
  std::uint64_t seed = 1;
  log::ShardId shard;
  std::filesystem::path folder;
  Bug bug = Bug::none;
  shard::Ownership ownership = shard::Ownership::sole;
  projection::Snapshots* snapshots = nullptr;  ///< outlives the world
};

/// What a shard finds when it starts again.
enum class Found {
  its_state,
  older_state,  ///< of an earlier restart; the same where there was none
  nothing
};

/// One thread at a time. Several worlds share a log and nothing else, be it of several shards or of one shard on
/// several nodes; each has a clock of its own.
class World {
 public:
  /// `extra` applies after the kernel's projectors, where it is not null.
  World(const WorldOptions& options, log::InMemoryEventLog& log, std::unique_ptr<projection::Projector> extra);
  ~World();

  /// To be part of the next batch.
  Sent& add(std::string_view tenant, Decide decide);
  /// Hands over what was added as exactly one batch, with `fault` called just before, and waits for every answer.
  void send(const std::function<void()>& fault = {});
  /// Waits until no timer is due and the shard is owned, or followed; time goes on where it has to. Then runs `then`
  /// while the shard's thread does nothing.
  void quiesce(const std::function<void()>& then = {});
  /// Time goes on by `elapsed`, and the wall clock is set by `step` besides. What was due before is done before.
  void move_clock(base::Duration elapsed, base::Duration step = {});
  /// Runs `work` while the shard's thread does nothing. False, and nothing done: this world does not own the shard.
  bool hold(const std::function<void()>& work);
  /// Stops the shard and starts another one.
  void restart(Found found = Found::its_state);

  // For Ownership::assigned. Each returns when it is so, or what prevents it is among the problems.
  void own();
  void cede();
  /// Waits until it has applied the record.
  void await(log::Lsn lsn);
  /// It takes itself for the owner; perhaps it was one.
  [[nodiscard]] bool owns() const { return shard_->metrics().owner; }
  /// Of its last claim; 0: it has claimed nothing since it was started.
  [[nodiscard]] log::Epoch epoch() const;
  /// Whether it became a standby since the last call.
  [[nodiscard]] bool take_ceded();
  [[nodiscard]] bool has_commands() const noexcept { return !next_.empty(); }
  [[nodiscard]] NodeLog& log() noexcept { return log_; }

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

  /// Those that were seen since the last call.
  [[nodiscard]] std::vector<std::string> take_problems();
  [[nodiscard]] std::uint64_t claims() const { return claims_ + shard_->metrics().claims; }

  std::vector<std::unique_ptr<Sent>> sent;

 private:
  [[nodiscard]] base::Status open();
  void start();
  void hand_out(shard::Effect effect);
  void add_problem(std::string problem);
  [[nodiscard]] bool has_problem();
  bool await(const std::function<bool()>& condition, std::string_view what);
  [[nodiscard]] base::Result<shard::Decision> decide(const Decide& wanted, const lmdb::Txn& txn,
                                                     shard::DecisionContext& context);
  void answer_as_standby();
  [[nodiscard]] std::vector<shard::Timer> due();

  WorldOptions options_;
  base::SimulatedClock clock_{base::Timestamp(1'767'225'600'000'000'000)};
  base::Timestamp time_ = clock_.now();  ///< the shard's: it goes on where the clock is set back
  base::Duration read_at_{};             ///< monotonic, when time_ was read last
  blob::InMemoryBlobStore blobs_;
  const catalog::EventCatalog catalog_ = catalog::EventCatalog::make();
  NodeLog log_;
  std::unique_ptr<projection::Projector> extra_;
  base::SimulatedRandom random_;  ///< the shard's
  base::UuidSource correlations_;
  base::SimulatedRandom correlation_random_;
  mutable std::mutex seen_mutex_;  ///< what the shard's thread has reported
  std::vector<shard::Effect> handed_out_;
  std::vector<std::string> problems_;
  bool is_ceded_ = false;
  log::Epoch epoch_;
  base::Timestamp claimed_at_;  ///< the time of the last record then
  base::Status taken_;          ///< a planted bug: what the log says of a batch that is projected already

  std::uint64_t claims_ = 0;  ///< before the last start
  std::map<std::string, std::string>
      first_keys_;  ///< a planted bug: of the effects of a task, by their key without its run
  std::unique_ptr<node::Shard> shard_;
  std::vector<shard::Command> next_;
  std::vector<Sent*> next_sent_;
};

}  // namespace trv::simulation
