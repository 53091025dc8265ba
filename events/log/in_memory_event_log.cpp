#include "events/log/in_memory_event_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "events/log/decision_buffer.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/contract.hpp"

namespace trv::log {

using base::ErrorCode;
using base::fail;
using base::Result;

struct InMemoryEventLog::Shard {
  explicit Shard(ShardId shard) : id(shard), rule_at_first(shard), rule(shard) {}

  ShardId id;
  std::vector<base::Bytes> entries;
  std::uint64_t trimmed = 0;        // entries before these
  record::VoidRule rule_at_first;   // before the first of these
  Lsn first{1};                     // of the first record that can be read
  record::VoidRule rule;            // over all entries
  std::set<std::uint64_t> counts;   // places of the records of whole decisions
  std::vector<std::uint64_t> open;  // places of the records of the decision that has not ended
  base::Digest last_hash{};         ///< of the last record of the last whole decision
  Epoch appending;
  Lsn append_next;
  std::uint64_t tickets = 0;
  std::map<std::uint64_t, Batch> pending;
  std::map<std::uint64_t, Result<Settled>> settled;
  struct Failure {
    base::Error error;
    std::size_t behind;  ///< so many appends
  };
  std::optional<Failure> fail_next;
  std::optional<std::size_t> tear_next;
  bool repeat_next = false;

  void put(base::BytesView entry) {
    const auto head = record::peek(entry);
    TRV_ASSERT(head.has_value());
    const auto verdict = rule.judge(*head);
    TRV_ASSERT(verdict.has_value());
    entries.emplace_back(entry.begin(), entry.end());
    if (*verdict == record::VoidRule::Verdict::claim_won) open.clear();
    if (*verdict != record::VoidRule::Verdict::next) return;
    open.push_back(end() - 1);
    if (!head->decision_end) return;
    counts.insert(open.begin(), open.end());
    open.clear();
    last_hash = record::hash_of(entry);
  }

  [[nodiscard]] std::uint64_t end() const { return trimmed + entries.size(); }
  [[nodiscard]] const base::Bytes& at(std::uint64_t place) const { return entries.at(place - trimmed); }

  /// The place behind the last decision that ends before `below`, and the rule there.
  [[nodiscard]] std::pair<std::uint64_t, record::VoidRule> behind_decisions(Lsn below) const {
    record::VoidRule judged = rule_at_first;
    std::pair found(trimmed, judged);
    for (std::uint64_t place = trimmed; place < end(); ++place) {
      const auto head = record::peek(at(place));
      const auto verdict = judged.judge(*head);
      TRV_ASSERT(verdict.has_value());
      const bool ends = *verdict == record::VoidRule::Verdict::next && head->decision_end;
      if (ends && judged.next() <= below && judged.next() < rule.next_decision()) found = {place + 1, judged};
    }
    return found;
  }

  /// The rule before the entry at the hint, if that is a record up to `from` of the epoch and lsn that it should be.
  [[nodiscard]] std::optional<std::pair<std::uint64_t, record::VoidRule>> start_at(const EnginePosition& hint,
                                                                                   Lsn from) const {
    const auto place = place_of(hint);
    if (!place || *place < trimmed || *place >= end()) return std::nullopt;
    const auto head = record::peek(at(*place));
    TRV_ASSERT(head.has_value());
    if (head->kind != record::EntryKind::record || head->lsn > from || !counts.contains(*place)) return std::nullopt;
    return std::pair(*place, record::VoidRule(id, head->epoch, head->lsn));
  }
};

std::unexpected<base::Error> InMemoryEventLog::begins_behind(const Shard& shard, Lsn from) {
  return fail(ErrorCode::not_found, fmt::format("the log of shard {} begins at lsn {}; lsn {} was trimmed",
                                                shard.id.value(), shard.first.value(), from.value()));
}

class InMemoryEventLog::ShardReader final : public Reader {
 public:
  ShardReader(InMemoryEventLog& log, Shard& shard, std::uint64_t place, const record::VoidRule& rule, Lsn from)
      : log_(log), shard_(shard), buffer_(rule, from), place_(place) {}

  Result<std::optional<StoredRecord>> next(base::Duration timeout) override {
    std::unique_lock lock(log_.mutex_);
    const base::Duration deadline = clock_.monotonic() + std::min(timeout, wait_max);
    while (true) {
      if (!buffer_.empty()) return buffer_.give();
      if (place_ < shard_.trimmed) {
        // It looks for something behind what was trimmed.
        if (buffer_.wanted() < shard_.first) return begins_behind(shard_, buffer_.wanted());
        buffer_ = DecisionBuffer(shard_.rule_at_first, buffer_.wanted());
        place_ = shard_.trimmed;
      }
      while (buffer_.empty() && place_ < shard_.end()) {
        TRV_TRY(buffer_.take(shard_.at(place_), position_at(place_)));
        ++place_;
        ++log_.entries_read_;
      }
      if (!buffer_.empty()) return buffer_.give();
      log_.grown_.wait_for(lock, deadline - clock_.monotonic(), [&] { return woken_ || place_ < shard_.end(); });
      if (place_ == shard_.end()) {
        woken_ = false;
        return std::nullopt;
      }
    }
  }

  void wake() noexcept override {
    {
      const std::lock_guard lock(log_.mutex_);
      woken_ = true;
    }
    log_.grown_.notify_all();
  }

 private:
  base::SystemClock clock_;  // a wait takes real time, whatever time it is in the test
  InMemoryEventLog& log_;
  Shard& shard_;
  DecisionBuffer buffer_;
  std::uint64_t place_;
  bool woken_ = false;
};

InMemoryEventLog::InMemoryEventLog() = default;
InMemoryEventLog::~InMemoryEventLog() = default;

InMemoryEventLog::Shard& InMemoryEventLog::shard_of(ShardId shard) {
  std::unique_ptr<Shard>& slot = shards_[shard];
  if (slot == nullptr) slot = std::make_unique<Shard>(shard);
  return *slot;
}

Result<Claim> InMemoryEventLog::claim(ShardId id, std::string_view node, const base::Uuid& nonce,
                                      const EnginePosition&) {
  return claim_at(id, std::nullopt, node, nonce);
}

Result<Claim> InMemoryEventLog::claim_as(ShardId id, Epoch epoch, std::string_view node, const base::Uuid& nonce) {
  TRV_EXPECTS(epoch >= Epoch(1));
  return claim_at(id, epoch, node, nonce);
}

Result<Claim> InMemoryEventLog::claim_at(ShardId id, std::optional<Epoch> wanted, std::string_view node,
                                         const base::Uuid& nonce) {
  if (node.empty() || node.size() > 255) {
    return fail(ErrorCode::invalid, fmt::format("a node's name has 1 to 255 bytes, this one has {}", node.size()));
  }
  const std::lock_guard lock(mutex_);
  Shard& shard = shard_of(id);
  const Epoch epoch = wanted.value_or(shard.rule.epoch().next());
  if (epoch < shard.rule.epoch()) return claimed_later(id, epoch, shard.rule.epoch());
  if (epoch > shard.rule.epoch()) {
    shard.put(record::encode_claim({.shard = id, .epoch = epoch, .node = std::string(node), .nonce = nonce}));
  }
  shard.appending = shard.rule.epoch();
  shard.append_next = shard.rule.next();
  grown_.notify_all();
  return Claim{.shard = id,
               .epoch = shard.rule.epoch(),
               .nonce = nonce,
               .next = shard.rule.next(),
               .last_hash = shard.open.empty() ? shard.last_hash : record::hash_of(shard.at(shard.open.back()))};
}

Result<Ticket> InMemoryEventLog::append(const Claim& claim, Batch batch) {
  TRV_EXPECTS(!batch.empty());
  const std::lock_guard lock(mutex_);
  Shard& shard = shard_of(claim.shard);
  if (batch.shard() != claim.shard || batch.epoch() != claim.epoch) {
    return fail(ErrorCode::conflict,
                fmt::format("a batch of shard {}, epoch {} is not of the claim of shard {}, epoch {}",
                            batch.shard().value(), batch.epoch().value(), claim.shard.value(), claim.epoch.value()));
  }
  if (claim.epoch == shard.appending) {
    if (batch.first() != shard.append_next) {
      return fail(ErrorCode::conflict,
                  fmt::format("lsn {} of shard {} does not continue at lsn {}", batch.first().value(),
                              claim.shard.value(), shard.append_next.value()));
    }
    shard.append_next = batch.last().next();
  }
  const Ticket ticket{.shard = claim.shard, .number = ++shard.tickets};
  shard.pending.emplace(ticket.number, std::move(batch));
  return ticket;
}

Result<Settled> InMemoryEventLog::settle(const Ticket& ticket) {
  std::unique_lock lock(mutex_);
  if (delay_ > base::Duration::zero()) delayed_.wait_for(lock, delay_, [] { return false; });
  Shard& shard = shard_of(ticket.shard);
  while (!shard.pending.empty() && shard.pending.begin()->first <= ticket.number) {
    const auto first = shard.pending.begin();
    const bool is_last = std::next(first) == shard.pending.end() || first->first == ticket.number;
    Result<Settled> outcome = settle_one(shard, first->second, is_last);
    if (!outcome && first->second.epoch() == shard.appending) {
      shard.append_next = std::min(shard.append_next, first->second.first());
    }
    shard.settled.emplace(first->first, std::move(outcome));
    shard.pending.erase(first);
  }
  const auto found = shard.settled.find(ticket.number);
  if (found == shard.settled.end()) {
    return fail(ErrorCode::invalid, fmt::format("ticket {} of shard {} is unknown or was settled before", ticket.number,
                                                ticket.shard.value()));
  }
  Result<Settled> result = std::move(found->second);
  shard.settled.erase(found);
  ++settle_count_;
  grown_.notify_all();
  return result;
}

Result<Settled> InMemoryEventLog::settle_one(Shard& shard, const Batch& batch, bool is_last) {
  if (batch.epoch() < shard.rule.epoch()) {
    for (std::size_t i = 0; i < batch.size(); ++i) shard.put(batch.at(i));
    return Settled{.outcome = Outcome::lost, .last = {}, .position = {}};
  }
  if (batch.epoch() > shard.rule.epoch()) {
    return fail(ErrorCode::conflict, fmt::format("epoch {} of shard {} was never claimed; the last is {}",
                                                 batch.epoch().value(), shard.id.value(), shard.rule.epoch().value()));
  }
  if (batch.first() != shard.rule.next()) {
    return fail(ErrorCode::cancelled,
                fmt::format("lsn {} of shard {} cannot follow lsn {}: an append before it failed",
                            batch.first().value(), shard.id.value(), shard.rule.next().value() - 1));
  }
  if (shard.fail_next.has_value() && shard.fail_next->behind > 0 && !is_last) {
    --shard.fail_next->behind;
  } else if (shard.fail_next.has_value()) {
    return fail(std::exchange(shard.fail_next, std::nullopt)->error);
  }
  std::optional<std::size_t> torn;
  if (shard.tear_next.has_value() && *shard.tear_next >= batch.size() && !is_last) {
    *shard.tear_next -= batch.size();
  } else {
    torn = std::exchange(shard.tear_next, std::nullopt);
  }
  const std::size_t lands = std::min(batch.size(), torn.value_or(batch.size()));
  for (std::size_t i = 0; i < lands; ++i) shard.put(batch.at(i));
  if (torn.has_value()) {
    return fail(ErrorCode::unavailable,
                fmt::format("the connection ended while lsn {} to {} of shard {} were on the way",
                            batch.first().value(), batch.last().value(), shard.id.value()));
  }
  const Settled settled{.outcome = Outcome::appended, .last = batch.last(), .position = position_at(shard.end() - 1)};
  if (std::exchange(shard.repeat_next, false)) {
    for (std::size_t i = 0; i < batch.size(); ++i) shard.put(batch.at(i));
  }
  return settled;
}

Result<std::unique_ptr<Reader>> InMemoryEventLog::read(ShardId id, Lsn from, const EnginePosition& hint) {
  TRV_EXPECTS(from >= Lsn(1));
  const std::lock_guard lock(mutex_);
  Shard& shard = shard_of(id);
  if (from < shard.first) return begins_behind(shard, from);
  const auto [place, rule] = shard.start_at(hint, from).value_or(std::pair(shard.trimmed, shard.rule_at_first));
  return std::make_unique<ShardReader>(*this, shard, place, rule, from);
}

Result<Bounds> InMemoryEventLog::bounds(ShardId id) {
  const std::lock_guard lock(mutex_);
  const Shard& shard = shard_of(id);
  if (shard.rule.next_decision() == Lsn(1)) return Bounds{};
  return Bounds{.first = shard.first, .last = Lsn(shard.rule.next_decision().value() - 1)};
}

base::Status InMemoryEventLog::trim(ShardId id, Lsn below) {
  const std::lock_guard lock(mutex_);
  Shard& shard = shard_of(id);
  const auto [place, rule] = shard.behind_decisions(below);
  shard.entries.erase(shard.entries.begin(),
                      shard.entries.begin() + static_cast<std::ptrdiff_t>(place - shard.trimmed));
  shard.trimmed = place;
  shard.rule_at_first = rule;
  shard.first = rule.next();
  TRV_ENSURES(shard.first <= shard.rule.next_decision());
  return {};
}

void InMemoryEventLog::lose_ownership(ShardId id) {
  const std::lock_guard lock(mutex_);
  Shard& shard = shard_of(id);
  shard.put(record::encode_claim(
      {.shard = id, .epoch = shard.rule.epoch().next(), .node = "elsewhere", .nonce = base::Uuid()}));
  grown_.notify_all();
}

void InMemoryEventLog::fail_next_settle(ShardId shard, base::Error error, std::size_t behind) {
  const std::lock_guard lock(mutex_);
  shard_of(shard).fail_next = {.error = std::move(error), .behind = behind};
}

void InMemoryEventLog::tear_next_settle(ShardId shard, std::size_t records) {
  const std::lock_guard lock(mutex_);
  shard_of(shard).tear_next = records;
}

void InMemoryEventLog::repeat_next_settle(ShardId shard) {
  const std::lock_guard lock(mutex_);
  shard_of(shard).repeat_next = true;
}

void InMemoryEventLog::delay_settle(base::Duration delay) {
  const std::lock_guard lock(mutex_);
  delay_ = delay;
}

std::vector<base::Bytes> InMemoryEventLog::entries(ShardId shard) const {
  const std::lock_guard lock(mutex_);
  const auto known = shards_.find(shard);
  return known == shards_.end() ? std::vector<base::Bytes>() : known->second->entries;
}

std::uint64_t InMemoryEventLog::entries_read() const {
  const std::lock_guard lock(mutex_);
  return entries_read_;
}

std::uint64_t InMemoryEventLog::settle_count() const {
  const std::lock_guard lock(mutex_);
  return settle_count_;
}

}  // namespace trv::log
