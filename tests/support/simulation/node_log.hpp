#pragma once
// The log as one node sees one shard of it: what becomes of its answers on the way, and what planted bugs make of it.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "events/log/forwarding_log.hpp"
#include "events/log/in_memory_event_log.hpp"
#include "tests/support/simulation/bug.hpp"

namespace trv::simulation {

/// What happens around one settle; on the thread that settles.
struct SettleFault {
  std::function<void()> before = {};  ///< the batch was handed over, and is not in the log yet
  std::function<void()> after = {};   ///< it is in the log, and its writer does not know
  bool answer_is_lost = false;        ///< its writer never learns
};

/// Any thread, as the real log, which outlives it.
class NodeLog final : public log::ForwardingLog {
 public:
  NodeLog(log::InMemoryEventLog& real, Bug bug) noexcept : ForwardingLog(real), real_(real), bug_(bug) {}

  void next_settle(SettleFault fault);
  /// Standbys get nothing while the node is cut off.
  void cut_off(bool is_cut_off);
  /// The node follows from here on, until it claims the shard.
  void begin_to_follow();
  /// For planted bugs: what was answered and is not in the log yet. Error: the log did not take it.
  [[nodiscard]] base::Status catch_up_with_answers();

  [[nodiscard]] base::Result<log::Claim> claim(log::ShardId shard, std::string_view node, const base::Uuid& nonce,
                                               const log::EnginePosition& hint = {}) override;
  [[nodiscard]] base::Result<log::Ticket> append(const log::Claim& claim, log::Batch batch) override;
  [[nodiscard]] base::Result<log::Settled> settle(const log::Ticket& ticket) override;
  [[nodiscard]] base::Result<std::unique_ptr<log::Reader>> read(log::ShardId shard, log::Lsn from,
                                                                const log::EnginePosition& hint = {}) override;

 private:
  class StandbyReader;
  /// A batch that was answered before the log had it.
  struct Answered {
    log::Claim claim;
    log::Batch batch;
  };
  [[nodiscard]] bool answers_first() const noexcept {
    return bug_ == Bug::acknowledged_before_settled || bug_ == Bug::applied_before_appended;
  }

  log::InMemoryEventLog& real_;
  const Bug bug_;
  std::mutex mutex_;
  std::condition_variable changed_;
  SettleFault fault_;
  bool is_cut_off_ = false;
  bool follows_ = true;
  std::uint64_t settles_ = 0;
  std::vector<Answered> answered_;
};

}  // namespace trv::simulation
