#include "events/kafka/owner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "events/record/record.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/contract.hpp"

namespace trv::kafka {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;
using record::VoidRule;

namespace {

constexpr std::size_t node_bytes_max = 255;
/// Attempts at one claim: the first may come behind a claim that this node had not seen.
constexpr int claims_max = 3;
/// Beyond the time in which the brokers acknowledge.
constexpr base::Duration read_back_within = std::chrono::seconds(20);
constexpr base::Duration step = std::chrono::milliseconds(50);
/// For what the brokers acknowledge; what was stored is read in between.
constexpr base::Duration acknowledge_step = std::chrono::milliseconds(2);
/// For librdkafka's thread to send what is to go.
constexpr base::Duration send_within = std::chrono::milliseconds(1);

void add_counted(Headers& headers, const std::optional<Position>& counted) {
  if (counted) headers.add(counted_header, base::as_text(counted->encoded().bytes()));
}

/// docs/formats/kafka-log.md
Headers headers_of(const record::RecordView& record, const std::optional<Position>& counted) {
  Headers headers(10);
  std::string source = "/tenants/";
  source.append(record.tenant()).append("/").append(record.stream_kind());
  headers.add("ce_specversion", "1.0");
  headers.add("ce_id", record.event_id().to_string());
  headers.add("ce_type", record.type());
  headers.add("ce_source", source);
  headers.add("ce_subject", record.stream_id());
  headers.add("ce_time", record.time().to_rfc3339());
  headers.add("ce_sequence", std::to_string(record.lsn().value()));
  headers.add("ce_epoch", std::to_string(record.epoch().value()));
  headers.add("content-type", "application/vnd.travertine.record");
  add_counted(headers, counted);
  return headers;
}

}  // namespace

Result<log::Claim> KafkaEventLog::Owner::claim(std::string_view node, const base::Uuid& nonce,
                                               const log::EnginePosition& hint) {
  TRV_TRY(begin(node, hint));
  for (int attempt = 0; attempt < claims_max; ++attempt) {
    TRV_TRY(read_to_end());
    TRV_TRY_ASSIGN(const bool is_won, claim_epoch(rule_->epoch().next(), node, nonce));
    if (is_won) return claimed(nonce);
  }
  producer_.reset();
  return fail(ErrorCode::lost, fmt::format("shard {} was claimed {} times by others while this node claimed it",
                                           shard_.value(), claims_max));
}

Result<log::Claim> KafkaEventLog::Owner::claim_as(log::Epoch epoch, std::string_view node, const base::Uuid& nonce) {
  TRV_EXPECTS(epoch >= log::Epoch(1));
  TRV_TRY(begin(node, {}));
  TRV_TRY(read_to_end());
  if (rule_->epoch() < epoch) TRV_TRY(claim_epoch(epoch, node, nonce));
  if (rule_->epoch() > epoch) return log::claimed_later(shard_, epoch, rule_->epoch());
  return claimed(nonce);
}

Status KafkaEventLog::Owner::begin(std::string_view node, const log::EnginePosition& hint) {
  if (node.empty() || node.size() > node_bytes_max) {
    return fail(ErrorCode::invalid, fmt::format("a node's name has 1 to 255 bytes, this one has {}", node.size()));
  }
  end_claim(fail(ErrorCode::unavailable,
                 fmt::format("shard {} was claimed again before the append was settled", shard_.value())));
  epoch_ = log::Epoch(0);
  counted_.reset();
  last_.clear();
  last_end_.clear();
  TRV_TRY_ASSIGN(ShardStart start, start_of(consumers_, shard_, log::Lsn(UINT64_MAX), hint));
  reader_ = std::move(start.reader);
  rule_ = start.rule;
  TRV_TRY_ASSIGN(producer_, Producer::open(settings_, partition_of(shard_)));
  return {};
}

Status KafkaEventLog::Owner::read_to_end() {
  while (reader_->place() < reader_->high()) {
    TRV_TRY_ASSIGN(const Entry entry, stored_entry(*reader_, shard_));
    TRV_TRY(take(entry));
  }
  return {};
}

Result<VoidRule::Verdict> KafkaEventLog::Owner::take(const Entry& entry) {
  TRV_TRY_ASSIGN(const record::EntryHead head, record::peek(entry.bytes));
  TRV_TRY_ASSIGN(const VoidRule::Verdict verdict, rule_->judge(head));
  // What was torn never happened.
  if (verdict == VoidRule::Verdict::claim_won) last_ = last_end_;
  if (verdict != VoidRule::Verdict::next) return verdict;
  last_.assign(entry.bytes.begin(), entry.bytes.end());
  if (!head.decision_end) return verdict;
  last_end_ = last_;
  counted_ = position_of(entry, head);
  return verdict;
}

Result<bool> KafkaEventLog::Owner::claim_epoch(log::Epoch epoch, std::string_view node, const base::Uuid& nonce) {
  TRV_EXPECTS(epoch > rule_->epoch());
  const base::SystemClock clock;
  TRV_TRY(send_claim({.shard = shard_, .epoch = epoch, .node = std::string(node), .nonce = nonce}));
  const base::Duration deadline = clock.monotonic() + settings_.acknowledged_within + read_back_within;
  while (clock.monotonic() < deadline) {
    const bool is_acknowledged = producer_->acknowledged() == producer_->sent();
    TRV_TRY(producer_->poll(is_acknowledged ? base::Duration::zero() : acknowledge_step));
    TRV_TRY_ASSIGN(const auto entry, reader_->next(is_acknowledged ? step : base::Duration::zero()));
    if (!entry) continue;
    TRV_TRY_ASSIGN(const VoidRule::Verdict verdict, take(*entry));
    const auto found = record::decode_claim(entry->bytes);
    if (!found || found->nonce != nonce || found->epoch != epoch) continue;
    return verdict == VoidRule::Verdict::claim_won;
  }
  return fail(ErrorCode::unavailable, fmt::format("the claim of epoch {} was not read back from {} in time",
                                                  epoch.value(), describe(settings_, partition_of(shard_))));
}

log::Claim KafkaEventLog::Owner::claimed(const base::Uuid& nonce) {
  epoch_ = rule_->epoch();
  next_ = rule_->next();
  dead_.reset();
  TRV_ENSURES(next_ == log::Lsn(1) || !last_.empty());
  return {.shard = shard_,
          .epoch = epoch_,
          .nonce = nonce,
          .next = next_,
          .last_hash = last_.empty() ? base::Digest{} : record::hash_of(last_)};
}

Status KafkaEventLog::Owner::send_claim(const record::ClaimEntry& claim) {
  const auto bytes = std::make_shared<const base::Bytes>(record::encode_claim(claim));
  Headers headers(7);
  headers.add("ce_specversion", "1.0");
  headers.add("ce_id", claim.nonce.to_string());
  headers.add("ce_type", "trv.log.claimed");
  headers.add("ce_source", fmt::format("/nodes/{}", claim.node));
  headers.add("ce_epoch", std::to_string(claim.epoch.value()));
  headers.add("content-type", "application/vnd.travertine.claim");
  add_counted(headers, counted_);
  producer_->keep(bytes, 1);
  return producer_->send({.key = "", .value = *bytes}, std::move(headers));
}

Result<log::Ticket> KafkaEventLog::Owner::append(const log::Claim& claim, log::Batch batch) {
  TRV_EXPECTS(!batch.empty());
  if (batch.shard() != claim.shard || batch.epoch() != claim.epoch || claim.epoch > epoch_) {
    return fail(ErrorCode::conflict,
                fmt::format("a batch of shard {}, epoch {} is not of the claim of shard {}, epoch {}",
                            batch.shard().value(), batch.epoch().value(), claim.shard.value(), claim.epoch.value()));
  }
  const log::Ticket ticket{.shard = shard_, .number = tickets_ + 1};
  if (claim.epoch < epoch_ || dead_) {
    const Outcome lost = log::Settled{.outcome = log::Outcome::lost, .last = {}, .position = {}};
    settled_.emplace(++tickets_, claim.epoch < epoch_ ? lost : *dead_);
    return ticket;
  }
  if (batch.first() != next_) {
    return fail(ErrorCode::conflict, fmt::format("lsn {} of shard {} does not continue at lsn {}",
                                                 batch.first().value(), shard_.value(), next_.value()));
  }
  ++tickets_;
  next_ = batch.last().next();
  under_way_.emplace(ticket.number, UnderWay{batch.last(), producer_->sent() + batch.size()});
  const bool is_first = producer_->acknowledged() == producer_->sent();
  Status sent = send(std::make_shared<const log::Batch>(std::move(batch)));
  // It goes while the caller decides what follows.
  if (sent) sent = producer_->poll(is_first ? send_within : base::Duration::zero());
  if (!sent) end_claim(fail(sent.error()));
  return ticket;
}

Status KafkaEventLog::Owner::send(const std::shared_ptr<const log::Batch>& batch) {
  producer_->keep(batch, batch->size());
  for (std::size_t i = 0; i < batch->size(); ++i) {
    const record::RecordView record = batch->view(i);
    const bool names_position = i % counted_every == 0;
    TRV_TRY(producer_->send({.key = record.tenant(), .value = record.stored()},
                            headers_of(record, names_position ? counted_ : std::nullopt)));
  }
  return {};
}

Result<log::Settled> KafkaEventLog::Owner::settle(const log::Ticket& ticket) {
  const base::SystemClock clock;
  const base::Duration deadline = clock.monotonic() + settings_.acknowledged_within + read_back_within;
  while (under_way_.contains(ticket.number)) {
    if (clock.monotonic() >= deadline) {
      end_claim(fail(ErrorCode::unavailable, fmt::format("an append to {} was not read back in time",
                                                         describe(settings_, partition_of(shard_)))));
    } else if (const auto read = read_back(ticket.number); !read) {
      end_claim(fail(read.error()));
    }
  }
  const auto found = settled_.find(ticket.number);
  if (found == settled_.end()) {
    return fail(ErrorCode::invalid, fmt::format("ticket {} of shard {} is unknown or was settled before", ticket.number,
                                                ticket.shard.value()));
  }
  Outcome outcome = std::move(found->second);
  settled_.erase(found);
  return outcome;
}

Status KafkaEventLog::Owner::read_back(std::uint64_t ticket) {
  TRV_EXPECTS(producer_ != nullptr && rule_.has_value());
  const bool is_acknowledged = producer_->acknowledged() >= under_way_.at(ticket).sent;
  TRV_TRY(producer_->poll(is_acknowledged ? base::Duration::zero() : acknowledge_step));
  base::Duration within = is_acknowledged ? step : base::Duration::zero();
  while (under_way_.contains(ticket)) {
    TRV_TRY_ASSIGN(const auto entry, reader_->next(within));
    if (!entry) return {};
    TRV_TRY(settle_by(*entry));
    within = base::Duration::zero();
  }
  return {};
}

Status KafkaEventLog::Owner::settle_by(const Entry& entry) {
  TRV_TRY_ASSIGN(const record::EntryHead head, record::peek(entry.bytes));
  TRV_TRY_ASSIGN(const VoidRule::Verdict verdict, rule_->judge(head));
  if (verdict == VoidRule::Verdict::claim_won) {
    end_claim(log::Settled{.outcome = log::Outcome::lost, .last = {}, .position = {}});
    return {};
  }
  if (verdict != VoidRule::Verdict::next) return {};
  if (head.decision_end) counted_ = position_of(entry, head);
  if (under_way_.empty()) return {};
  const auto first = under_way_.begin();
  TRV_ASSERT(head.epoch == epoch_ && head.lsn <= first->second.last);
  if (head.lsn != first->second.last) return {};
  settled_.emplace(first->first, log::Settled{.outcome = log::Outcome::appended,
                                              .last = head.lsn,
                                              .position = position_of(entry, head).encoded()});
  under_way_.erase(first);
  return {};
}

void KafkaEventLog::Owner::end_claim(const Outcome& fate) {
  dead_ = fate;
  if (!fate && fate.error().code() != ErrorCode::unavailable) {
    // Whatever it was, nobody knows what the brokers stored.
    dead_ = fail(ErrorCode::unavailable, fate.error().message());
  }
  for (const auto& [number, batch] : under_way_) settled_.emplace(number, *dead_);
  under_way_.clear();
  producer_.reset();
}

}  // namespace trv::kafka
