#include "tests/support/simulation/buggy_log.hpp"

#include <utility>
#include <vector>

#include "events/record/aligned_bytes.hpp"
#include "events/record/entry.hpp"

namespace trv::simulation {
namespace {

constexpr std::uint64_t settles_between_denials = 5;

/// Knows owners and lsns and nothing of decisions.
class HastyReader final : public log::Reader {
 public:
  HastyReader(std::vector<base::Bytes> entries, log::Lsn from) : entries_(std::move(entries)), next_(from) {}

  base::Result<std::optional<log::StoredRecord>> next(base::Duration) override {
    while (index_ < entries_.size()) {
      const base::Bytes& entry = entries_[index_++];
      TRV_TRY_ASSIGN(const record::EntryHead head, record::peek(entry));
      if (head.kind == record::EntryKind::claim) epoch_ = std::max(epoch_, head.epoch);
      if (head.kind == record::EntryKind::claim || head.epoch < epoch_ || head.lsn < next_) continue;
      next_ = head.lsn.next();
      memory_ = record::AlignedBytes(entry);
      return log::StoredRecord{.lsn = head.lsn, .bytes = memory_.view(0, entry.size()), .position = {}};
    }
    return std::nullopt;
  }
  void wake() noexcept override {}

 private:
  std::vector<base::Bytes> entries_;
  log::Lsn next_;
  log::Epoch epoch_;
  std::size_t index_ = 0;
  record::AlignedBytes memory_;
};

}  // namespace

base::Result<log::Settled> BuggyLog::settle(const log::Ticket& ticket) {
  auto settled = real_.settle(ticket);
  if (bug_ != Bug::durable_append_denied || !settled || ++settles_ % settles_between_denials != 0) return settled;
  return base::fail(base::ErrorCode::exhausted, "the disk is full");
}

base::Result<std::unique_ptr<log::Reader>> BuggyLog::read(log::ShardId shard, log::Lsn from,
                                                          const log::EnginePosition& hint) {
  if (bug_ != Bug::torn_decision_is_read) return real_.read(shard, from, hint);
  return std::make_unique<HastyReader>(real_.entries(shard), from);
}

}  // namespace trv::simulation
