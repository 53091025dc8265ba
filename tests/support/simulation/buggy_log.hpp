#pragma once
// A log with a planted bug; everything else goes to the real one.

#include <atomic>
#include <memory>

#include "events/log/in_memory_event_log.hpp"
#include "tests/support/simulation/bug.hpp"

namespace trv::simulation {

/// Any thread, as the real log, which outlives it.
class BuggyLog final : public log::EventLog {
 public:
  BuggyLog(log::InMemoryEventLog& real, Bug bug) noexcept : real_(real), bug_(bug) {}

  [[nodiscard]] base::Result<log::Claim> claim(log::ShardId shard, std::string_view node, const base::Uuid& nonce,
                                               const log::EnginePosition& hint = {}) override {
    return real_.claim(shard, node, nonce, hint);
  }
  [[nodiscard]] base::Result<log::Claim> claim_as(log::ShardId shard, log::Epoch epoch, std::string_view node,
                                                  const base::Uuid& nonce) override {
    return real_.claim_as(shard, epoch, node, nonce);
  }
  [[nodiscard]] base::Result<log::Ticket> append(const log::Claim& claim, log::Batch batch) override {
    return real_.append(claim, std::move(batch));
  }
  [[nodiscard]] base::Result<log::Settled> settle(const log::Ticket& ticket) override;
  [[nodiscard]] base::Result<std::unique_ptr<log::Reader>> read(log::ShardId shard, log::Lsn from,
                                                                const log::EnginePosition& hint = {}) override;
  [[nodiscard]] base::Result<log::Bounds> bounds(log::ShardId shard) override { return real_.bounds(shard); }
  [[nodiscard]] base::Status trim(log::ShardId shard, log::Lsn below) override { return real_.trim(shard, below); }

 private:
  log::InMemoryEventLog& real_;
  Bug bug_;
  std::atomic<std::uint64_t> settles_ = 0;
};

}  // namespace trv::simulation
