#include "tests/support/simulation/node_log.hpp"

#include <thread>
#include <utility>

#include "events/record/aligned_bytes.hpp"
#include "events/record/entry.hpp"
#include "sdk/base/clock.hpp"

namespace trv::simulation {
namespace {

constexpr std::uint64_t settles_between_denials = 5;
constexpr auto look_again_after = std::chrono::milliseconds(2);

/// A planted bug: knows lsns, and of the void rule only what the other bug leaves of it.
class HastyReader final : public log::Reader {
 public:
  HastyReader(const log::InMemoryEventLog& log, log::ShardId shard, log::Lsn from, Bug bug)
      : log_(log), shard_(shard), next_(from), bug_(bug) {}

  base::Result<std::optional<log::StoredRecord>> next(base::Duration timeout) override {
    if (index_ == entries_.size()) entries_ = log_.entries(shard_);
    while (index_ < entries_.size()) {
      const base::Bytes& entry = entries_[index_++];
      TRV_TRY_ASSIGN(const record::EntryHead head, record::peek(entry));
      if (head.kind == record::EntryKind::claim) epoch_ = std::max(epoch_, head.epoch);
      const bool is_void = head.epoch < epoch_ && bug_ != Bug::no_void_rule;
      if (head.kind == record::EntryKind::claim || is_void || head.lsn != next_) continue;
      next_ = head.lsn.next();
      memory_ = record::AlignedBytes(entry);
      return log::StoredRecord{.lsn = head.lsn, .bytes = memory_.view(0, entry.size()), .position = {}};
    }
    if (timeout > base::Duration(0)) std::this_thread::sleep_for(look_again_after);
    return std::nullopt;
  }
  void wake() noexcept override {}

 private:
  const log::InMemoryEventLog& log_;
  const log::ShardId shard_;
  std::vector<base::Bytes> entries_;
  log::Lsn next_;
  log::Epoch epoch_;
  std::size_t index_ = 0;
  record::AlignedBytes memory_;
  const Bug bug_;
};

}  // namespace

class NodeLog::StandbyReader final : public log::Reader {
 public:
  StandbyReader(NodeLog& node, std::unique_ptr<log::Reader> real) : node_(node), real_(std::move(real)) {}

  base::Result<std::optional<log::StoredRecord>> next(base::Duration timeout) override {
    const base::Duration deadline = clock_.monotonic() + timeout;
    // A decision that has begun is there whole.
    if (is_between_decisions_) {
      std::unique_lock lock(node_.mutex_);
      node_.changed_.wait_for(lock, timeout, [this] { return !node_.is_cut_off_ || woken_; });
      if (std::exchange(woken_, false) || node_.is_cut_off_) return std::nullopt;
    }
    TRV_TRY_ASSIGN(auto stored, real_->next(std::max(base::Duration(0), deadline - clock_.monotonic())));
    if (stored) is_between_decisions_ = record::peek(stored->bytes).value().decision_end;
    return stored;
  }
  void wake() noexcept override {
    {
      const std::scoped_lock lock(node_.mutex_);
      woken_ = node_.is_cut_off_;
    }
    node_.changed_.notify_all();
    real_->wake();
  }

 private:
  base::SystemClock clock_;  // a wait takes real time
  NodeLog& node_;
  std::unique_ptr<log::Reader> real_;
  bool woken_ = false;
  bool is_between_decisions_ = true;
};

void NodeLog::next_settle(SettleFault fault) {
  const std::scoped_lock lock(mutex_);
  fault_ = std::move(fault);
}

void NodeLog::cut_off(bool is_cut_off) {
  {
    const std::scoped_lock lock(mutex_);
    is_cut_off_ = is_cut_off;
  }
  changed_.notify_all();
}

void NodeLog::begin_to_follow() {
  const std::scoped_lock lock(mutex_);
  follows_ = true;
}

base::Result<log::Claim> NodeLog::claim(log::ShardId shard, std::string_view node, const base::Uuid& nonce,
                                        const log::EnginePosition& hint) {
  (void)catch_up_with_answers();
  {
    const std::scoped_lock lock(mutex_);
    follows_ = false;
  }
  return real_.claim(shard, node, nonce, hint);
}

base::Result<log::Ticket> NodeLog::append(const log::Claim& claim, log::Batch batch) {
  if (!answers_first()) return real_.append(claim, std::move(batch));
  (void)catch_up_with_answers();
  const log::Ticket ticket{.shard = claim.shard, .number = batch.last().value()};
  const std::scoped_lock lock(mutex_);
  answered_.push_back({.claim = claim, .batch = std::move(batch)});
  return ticket;
}

base::Result<log::Settled> NodeLog::settle(const log::Ticket& ticket) {
  if (answers_first()) {
    return log::Settled{.outcome = log::Outcome::appended, .last = log::Lsn(ticket.number), .position = {}};
  }
  std::unique_lock lock(mutex_);
  const SettleFault fault = std::exchange(fault_, {});
  const bool is_denied = bug_ == Bug::durable_append_denied && ++settles_ % settles_between_denials == 0;
  lock.unlock();
  if (fault.before) fault.before();
  auto settled = real_.settle(ticket);
  if (fault.after) fault.after();
  if (settled && fault.answer_is_lost) return base::fail(base::ErrorCode::unavailable, "the answer was lost");
  if (settled && is_denied) return base::fail(base::ErrorCode::exhausted, "the disk is full");
  return settled;
}

base::Status NodeLog::catch_up_with_answers() {
  std::unique_lock lock(mutex_);
  std::vector<Answered> answered = std::exchange(answered_, {});
  const SettleFault fault = answered.empty() ? SettleFault() : std::exchange(fault_, {});
  lock.unlock();
  if (fault.before) fault.before();
  base::Status first;
  for (Answered& one : answered) {
    base::Status taken;
    if (const auto ticket = real_.append(one.claim, std::move(one.batch)); !ticket) {
      taken = base::fail(ticket.error());
    } else if (const auto settled = real_.settle(*ticket); !settled) {
      taken = base::fail(settled.error());
    } else if (settled->outcome == log::Outcome::lost) {
      taken = base::fail(base::ErrorCode::lost, "another node owns this shard now");
    }
    if (first) first = std::move(taken);
  }
  if (fault.after) fault.after();
  return first;
}

base::Result<std::unique_ptr<log::Reader>> NodeLog::read(log::ShardId shard, log::Lsn from,
                                                         const log::EnginePosition& hint) {
  bool follows = false;
  {
    const std::scoped_lock lock(mutex_);
    follows = follows_;
  }
  if (bug_ == Bug::torn_decision_is_read || (bug_ == Bug::no_void_rule && follows))
    return std::make_unique<HastyReader>(real_, shard, from, bug_);
  TRV_TRY_ASSIGN(auto reader, real_.read(shard, from, hint));
  if (!follows) return reader;
  return std::make_unique<StandbyReader>(*this, std::move(reader));
}

}  // namespace trv::simulation
