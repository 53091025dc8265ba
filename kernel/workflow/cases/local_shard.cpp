#include "kernel/workflow/cases/local_shard.hpp"

#include <fmt/format.h>

#include <system_error>

#include "sdk/base/contract.hpp"

namespace trv::cases {
namespace {

constexpr record::ShardId shard_id{1};
constexpr std::uint64_t map_bytes = std::uint64_t{1} << 30;

base::Result<projection::Applied> applied_of(const log::Settled& settled) {
  if (settled.outcome == log::Outcome::appended) return projection::Applied{};
  return base::fail(base::ErrorCode::internal, "the log in memory has lost its owner");
}

}  // namespace

base::Result<std::unique_ptr<LocalShard>> LocalShard::open(const std::filesystem::path& folder,
                                                           const Records& records) {
  std::unique_ptr<LocalShard> out(new LocalShard());
  TRV_TRY(out->begin(folder, records));
  return out;
}

base::Status LocalShard::begin(const std::filesystem::path& folder, const Records& records) {
  TRV_TRY_ASSIGN(claim_, log_.claim(shard_id, "cases", {}));
  if (!records.empty()) {
    log::Batch batch;
    for (const base::Bytes& stored : records) {
      TRV_TRY_ASSIGN(const record::Record record, record::Record::decode(stored));
      batch.add(record.view());
    }
    TRV_TRY_ASSIGN(const log::Ticket ticket, log_.append(claim_, std::move(batch)));
    TRV_TRY_ASSIGN(const log::Settled settled, log_.settle(ticket));
    TRV_TRY(applied_of(settled));
    TRV_TRY_ASSIGN(claim_, log_.claim(shard_id, "cases", {}));
  }
  next_ = claim_.next;
  last_hash_ = claim_.last_hash;
  TRV_TRY_ASSIGN(projection_, projection::Projection::open({.folder = folder, .map_bytes = map_bytes, .readers_max = 8},
                                                           shard_id, {&timers_, &outbox_, &ingest_, &projector_}));
  TRV_TRY(projection_->catch_up_to(log_, record::Lsn(next_.value() - 1)));
  return read_records();
}

base::Status LocalShard::read_records() {
  records_.clear();
  if (next_ == record::Lsn(1)) return {};
  TRV_TRY_ASSIGN(const auto reader, log_.read(shard_id, record::Lsn(1)));
  for (;;) {
    TRV_TRY_ASSIGN(const auto stored, reader->next(base::Duration(0)));
    if (!stored) break;
    records_.emplace_back(stored->bytes.begin(), stored->bytes.end());
  }
  TRV_ENSURES(records_.size() + 1 == next_.value());
  return {};
}

base::Result<bool> LocalShard::decide(base::Timestamp now, const Decide& decide) {
  base::SimulatedRandom random(next_.value() * 0x9e37'79b9'7f4a'7c15);
  base::UuidSource ids(random);
  shard::DecisionContext context{base::TenantId(std::string(case_tenant)), "member:case", now, ids, {}, {}, {}};
  TRV_TRY_ASSIGN(projection::ProjectionTxn txn, projection_->begin());
  TRV_TRY_ASSIGN(shard::Decision decision, decide(txn.txn(), context));
  if (decision.events.empty()) return false;
  decision.events.back().decision_end = true;

  log::Batch batch;
  record::Lsn lsn = next_;
  base::Digest hash = last_hash_;
  for (const record::Draft& event : decision.events) {
    TRV_TRY_ASSIGN(const record::RecordView view, encoder_.encode(event, {shard_id, lsn, claim_.epoch, hash}));
    hash = view.hash();
    TRV_TRY(projection_->apply(txn, view, hash));
    batch.add(view);
    records_.emplace_back(view.stored().begin(), view.stored().end());
    lsn = lsn.next();
  }
  TRV_TRY(projection_->seal(txn));
  TRV_TRY_ASSIGN(const log::Ticket ticket, log_.append(claim_, std::move(batch)));
  TRV_TRY_ASSIGN(const log::Settled settled, log_.settle(ticket));
  TRV_TRY(applied_of(settled));
  TRV_TRY(projection_->commit(std::move(txn), settled.position));
  next_ = lsn;
  last_hash_ = hash;
  TRV_ENSURES(records_.size() + 1 == next_.value());
  return true;
}

instance::RecordAt LocalShard::record_at() const {
  return [this](record::Lsn lsn) -> base::Result<record::Record> {
    if (lsn.value() < 1 || lsn.value() > records_.size()) {
      return base::fail(base::ErrorCode::not_found, fmt::format("there is no record {}", lsn.value()));
    }
    return record::Record::decode(records_[lsn.value() - 1]);
  };
}

base::Result<base::Digest> LocalShard::digest_of_replay() {
  TRV_TRY(projection_->rebuild(log_));
  return digest();
}

base::Status LocalShard::run_ahead(const Records& records) {
  TRV_TRY_ASSIGN(projection::ProjectionTxn txn, projection_->begin());
  for (std::size_t i = next_.value() - 1; i < records.size(); ++i) {
    TRV_TRY_ASSIGN(const record::Record record, record::Record::decode(records[i]));
    TRV_TRY(projection_->apply(txn, record.view(), record->hash()));
  }
  TRV_TRY(projection_->seal(txn));
  return projection_->commit(std::move(txn), {});
}

base::Result<base::ScratchFolder> make_scratch_folder() {
  constexpr std::string_view name = "trav-cases";
  auto in_memory = base::ScratchFolder::make(name, "/dev/shm");
  if (in_memory) return in_memory;
  std::error_code ignored;
  return base::ScratchFolder::make(name, std::filesystem::temp_directory_path(ignored));
}

}  // namespace trv::cases
