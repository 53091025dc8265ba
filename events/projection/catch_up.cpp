// How a projection follows its log at start.

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "events/projection/agreement.hpp"
#include "events/projection/projection.hpp"
#include "events/projection/read_ahead.hpp"
#include "sdk/base/contract.hpp"

namespace trv::projection {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;
using record::Lsn;

namespace {

// LMDB slows down with the dirty pages of a transaction, and may run out of room for them; much smaller ones write the
// same pages too often.
constexpr std::size_t txn_records_max = 3072;
constexpr std::size_t txn_bytes_max = 16 << 20;
// Of records, before the projection's file is let go from memory.
constexpr std::size_t resident_bytes_max = std::size_t{64} << 20;
// For the rest of a decision.
constexpr int rest_tries_max = 30;
constexpr base::Duration rest_wait = std::chrono::seconds(1);
// Fewer are not worth two threads.
constexpr std::uint64_t ahead_records_min = 4096;

}  // namespace

Status Projection::replay(log::EventLog& log, Lsn last, const Progress& progress) {
  if (applied_.lsn >= last) return {};
  TRV_TRY_ASSIGN(const std::unique_ptr<log::Reader> reader, log.read(shard_, applied_.lsn.next(), applied_.position));
  std::optional<ReadAhead> ahead;
  if (last.value() - applied_.lsn.value() >= ahead_records_min) {
    ahead.emplace(*reader, shard_, applied_.lsn.next(), last, projectors_);
  }
  Run run;
  std::size_t resident = 0;
  while (applied_.lsn < last) {
    TRV_TRY_ASSIGN(ProjectionTxn txn, begin());
    std::size_t bytes = 0;
    for (std::size_t count = 0; count < txn_records_max && bytes < txn_bytes_max && txn.applied().lsn < last;) {
      if (ahead) {
        TRV_TRY(ahead->next(run));
      } else {
        TRV_TRY(read_run(*reader, shard_, txn.applied().lsn.next(), last, run));
        TRV_TRY(verify_run(projectors_, run));
      }
      for (std::size_t i = 0; i < run.records.size(); ++i) {
        TRV_TRY(note(advance(txn, run.records[i], [&](std::size_t place, const record::RecordView& record) {
          return projectors_[place]->apply_prepared(txn.txn_, record, prepared_for(run, i, place));
        })));
      }
      count += run.records.size();
      bytes += run.memory.size();
    }
    TRV_TRY(seal(txn));
    TRV_TRY(commit(std::move(txn), run.position));
    TRV_ASSERT(applied_.lsn <= last);
    resident += bytes;
    if (resident >= resident_bytes_max) {
      env_->release_pages();
      resident = 0;
    }
    if (progress) TRV_TRY(progress(applied_.lsn, last));
  }
  return {};
}

Result<CatchUp> Projection::catch_up(log::EventLog& log, const Progress& progress) {
  TRV_TRY_ASSIGN(const log::Bounds bounds, log.bounds(shard_));
  return catch_up_to(log, bounds.last, progress);
}

Result<CatchUp> Projection::catch_up_to(log::EventLog& log, Lsn last, const Progress& progress) {
  TRV_TRY_ASSIGN(std::string reason, disagreement(log, shard_, applied_, last));
  const bool is_rebuilt = !reason.empty();
  if (is_rebuilt) {
    TRV_TRY_ASSIGN(const bool is_restored, restore(last));
    if (!is_restored) return replay_from_start(log, last, std::move(reason), progress);
  }
  const Lsn from = applied_.lsn;
  TRV_TRY(replay(log, last, progress));
  return CatchUp{.from = from, .to = applied_.lsn, .rebuilt = is_rebuilt, .reason = std::move(reason)};
}

Result<bool> Projection::follow(log::Reader& reader, base::Duration timeout) {
  TRV_TRY_ASSIGN(auto stored, reader.next(timeout));
  if (!stored) return false;
  TRV_TRY_ASSIGN(ProjectionTxn txn, begin());
  log::EnginePosition position;
  std::size_t bytes = 0;
  for (std::size_t count = 1; stored; ++count) {
    TRV_TRY_ASSIGN(const record::RecordView record, record::RecordView::over(stored->bytes));
    TRV_TRY(note(apply(txn, record, record::hash_of(record.stored()))));
    position = stored->position;
    bytes += record.stored().size();
    const bool is_whole = record.decision_end();
    if (is_whole && (count >= txn_records_max || bytes >= txn_bytes_max)) break;
    // The rest of a decision is there when its beginning is; what wakes the reader does not end it.
    stored.reset();
    for (int tries = 0; !stored && tries < (is_whole ? 1 : rest_tries_max); ++tries) {
      TRV_TRY_ASSIGN(stored, reader.next(is_whole ? base::Duration::zero() : rest_wait));
    }
    if (!stored && !is_whole) {
      return fail(ErrorCode::timeout, fmt::format("the log of shard {} did not deliver the decision of lsn {} whole",
                                                  shard_.value(), txn.applied().lsn.value()));
    }
  }
  TRV_TRY(seal(txn));
  TRV_TRY(commit(std::move(txn), position));
  return true;
}

Result<CatchUp> Projection::rebuild(log::EventLog& log, const Progress& progress) {
  TRV_TRY_ASSIGN(const log::Bounds bounds, log.bounds(shard_));
  return replay_from_start(log, bounds.last, "asked for", progress);
}

Result<CatchUp> Projection::replay_from_start(log::EventLog& log, Lsn last, std::string reason,
                                              const Progress& progress) {
  TRV_EXPECTS(!closed_);
  TRV_TRY_ASSIGN(const log::Bounds bounds, log.bounds(shard_));
  if (bounds.first > Lsn(1)) {
    return fail(ErrorCode::not_found,
                fmt::format("the state of shard {} has to be made anew ({}), but its log begins at lsn {}, and no "
                            "snapshot of this program's layout leads there: bring back the snapshots that belong to "
                            "this log, or the version of the program that made them, or a copy of the whole log",
                            shard_.value(), reason, bounds.first.value()));
  }
  TRV_TRY(remove_files());
  TRV_TRY(open_files());
  TRV_ASSERT(applied_ == Applied{});
  TRV_TRY(replay(log, last, progress));
  return CatchUp{.from = Lsn(0), .to = applied_.lsn, .rebuilt = true, .reason = std::move(reason)};
}

}  // namespace trv::projection
