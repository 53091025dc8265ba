#pragma once
// A shard under simulation: it moves only when asked to, so that a seed decides everything.

#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "events/log/in_memory_event_log.hpp"
#include "kernel/shard/shard_processor.hpp"
#include "kernel/workflow/instance/decisions.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"
#include "tests/support/simulation/state.hpp"

namespace trv::simulation {

/// A command and what became of it.
struct Sent {
  base::TenantId tenant;
  base::Uuid correlation;  ///< is in every record that the command led to
  base::Result<shard::Applied> outcome = base::fail(base::ErrorCode::internal, "never answered");
};
using Decide = std::function<base::Result<shard::Decision>(const lmdb::Txn& state, shard::DecisionContext& context)>;

/// One thread.
class World {
 public:
  /// `extra` applies after the kernel's projectors, where it is not null. Contract: the shard starts.
  World(std::uint64_t seed, const std::filesystem::path& folder, std::unique_ptr<projection::Projector> extra);
  ~World();

  /// To be part of the next batch.
  void add(std::string_view tenant, Decide decide);
  /// Hands over what was added as exactly one batch, with `fault` called just before, and waits for every answer.
  void send(const std::function<void(log::InMemoryEventLog&)>& fault = {});
  /// Waits until no timer is due and the shard is owned; time goes on where it has to.
  void quiesce();
  /// Runs `work` while the shard's thread is stopped.
  void hold(const std::function<void()>& work);
  /// Stops the shard and starts another one on the same state.
  void restart();

  /// Effects without outcome, by tenant and age.
  [[nodiscard]] std::vector<shard::Effect> pending();
  /// Positions of pending effects that the shard never handed out and that no new owner finds in its outbox.
  [[nodiscard]] std::vector<log::Lsn> forgotten();
  [[nodiscard]] std::size_t timers();
  [[nodiscard]] lmdb::ReadTxn read() const;
  [[nodiscard]] instance::Workflows workflows() { return {state.workflows.tables(), state.definitions, state.outbox}; }

  base::SimulatedClock clock{base::Timestamp(1'767'225'600'000'000'000)};
  log::InMemoryEventLog log;
  State state;
  std::vector<std::unique_ptr<Sent>> sent;
  std::uint64_t claims = 0;
  std::vector<std::string> problems;

 private:
  void start();
  [[nodiscard]] std::size_t due();

  std::unique_ptr<projection::Projector> extra_;
  base::SimulatedRandom random_;  ///< the shard's
  base::UuidSource correlations_;
  base::SimulatedRandom correlation_random_;
  std::mutex handed_out_mutex_;
  std::set<log::Lsn> handed_out_;
  log::Lsn found_by_owner_;  ///< effects up to here were in the outbox when the shard was taken over
  std::unique_ptr<shard::ShardProcessor> shard_;
  std::vector<shard::Command> next_;
  std::vector<Sent*> next_sent_;
};

}  // namespace trv::simulation
