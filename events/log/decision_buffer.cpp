#include "events/log/decision_buffer.hpp"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::log {

using base::ErrorCode;
using base::fail;
using base::Status;
using record::VoidRule;

static_assert(std::endian::native == std::endian::little, "positions are stored as they are in memory");

EnginePosition position_at(std::uint64_t place) noexcept {
  return EnginePosition({reinterpret_cast<const std::uint8_t*>(&place), sizeof place});
}

std::optional<std::uint64_t> place_of(const EnginePosition& position) noexcept {
  std::uint64_t place = 0;
  if (position.bytes().size() != sizeof place) return std::nullopt;
  std::memcpy(&place, position.bytes().data(), sizeof place);
  return place;
}

Status DecisionBuffer::take(base::BytesView entry, const EnginePosition& position) {
  TRV_TRY_ASSIGN(const record::EntryHead head, record::peek(entry));
  return take(entry, head, position);
}

Status DecisionBuffer::take(base::BytesView entry, const record::EntryHead& head, const EnginePosition& position) {
  VoidRule rule = rule_;
  TRV_TRY_ASSIGN(const VoidRule::Verdict verdict, rule.judge(head));
  const bool is_wanted = verdict == VoidRule::Verdict::next && head.lsn >= from_;
  if (is_wanted && given_ > 0 && empty()) drop_given();
  if (is_wanted && memory_.size() - whole_bytes_ + record::aligned_size(entry.size()) > record::decision_bytes_max) {
    return fail(ErrorCode::corrupt, fmt::format("the decision of shard {} that holds lsn {} has more than {} bytes",
                                                head.shard.value(), head.lsn.value(), record::decision_bytes_max));
  }
  rule_ = rule;
  if (verdict == VoidRule::Verdict::claim_won) {
    // The decision that has not ended never happened.
    held_.resize(whole_);
    memory_.shrink(whole_bytes_);
  }
  if (!is_wanted) return {};
  held_.push_back({head.lsn, memory_.append(entry), entry.size(), position});
  if (head.decision_end) {
    whole_ = held_.size();
    whole_bytes_ = memory_.size();
  }
  TRV_ENSURES(given_ <= whole_ && whole_ <= held_.size() && whole_bytes_ <= memory_.size());
  return {};
}

StoredRecord DecisionBuffer::give() {
  TRV_EXPECTS(!empty());
  const Held& held = held_[given_++];
  TRV_ENSURES(held.lsn >= from_ && held.lsn < rule_.next_decision());
  return {.lsn = held.lsn, .bytes = memory_.view(held.offset, held.size), .position = held.position};
}

void DecisionBuffer::drop_given() {
  if (whole_ == held_.size()) {
    held_.clear();
    memory_.clear();
  } else {
    // Rare: only at the end of a log, or where reading failed within a decision.
    record::AlignedBytes rest;
    std::vector<Held> held;
    for (std::size_t i = whole_; i < held_.size(); ++i) {
      const std::size_t offset = rest.append(memory_.view(held_[i].offset, held_[i].size));
      held.push_back({held_[i].lsn, offset, held_[i].size, held_[i].position});
    }
    memory_ = std::move(rest);
    held_ = std::move(held);
  }
  given_ = whole_ = whole_bytes_ = 0;
}

}  // namespace trv::log
