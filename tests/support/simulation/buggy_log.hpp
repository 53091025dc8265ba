#pragma once
// A log with a planted bug; everything else goes to the real one.

#include <atomic>
#include <memory>

#include "events/log/forwarding_log.hpp"
#include "events/log/in_memory_event_log.hpp"
#include "tests/support/simulation/bug.hpp"

namespace trv::simulation {

/// Any thread, as the real log, which outlives it.
class BuggyLog final : public log::ForwardingLog {
 public:
  BuggyLog(log::InMemoryEventLog& real, Bug bug) noexcept : ForwardingLog(real), real_(real), bug_(bug) {}

  [[nodiscard]] base::Result<log::Settled> settle(const log::Ticket& ticket) override;
  [[nodiscard]] base::Result<std::unique_ptr<log::Reader>> read(log::ShardId shard, log::Lsn from,
                                                                const log::EnginePosition& hint = {}) override;

 private:
  log::InMemoryEventLog& real_;
  Bug bug_;
  std::atomic<std::uint64_t> settles_ = 0;
};

}  // namespace trv::simulation
