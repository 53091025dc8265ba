#include "events/projection/agreement.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "events/projection/read_ahead.hpp"
#include "sdk/base/contract.hpp"

namespace trv::projection {

using base::Result;
using record::Lsn;

Result<std::string> disagreement(log::EventLog& log, record::ShardId shard, const Applied& applied, Lsn last) {
  if (applied.lsn > last) {
    return fmt::format("it is at lsn {}, the log ends at {}", applied.lsn.value(), last.value());
  }
  Lsn at = std::max(applied.lsn, Lsn(1));
  auto reader = log.read(shard, at, applied.position);
  if (!reader && reader.error().code() == base::ErrorCode::not_found) {
    TRV_TRY_ASSIGN(const log::Bounds bounds, log.bounds(shard));
    if (bounds.first > applied.lsn.next()) {
      return fmt::format("it is at lsn {}, the log begins at {}: what is between was trimmed", applied.lsn.value(),
                         bounds.first.value());
    }
    // Then the record after it tells, by its prev_hash.
    at = applied.lsn.next();
    reader = log.read(shard, at, applied.position);
  }
  if (!reader) return base::fail(reader.error());
  if (applied.lsn == Lsn(0)) return std::string();
  Run run;
  TRV_TRY(read_run(**reader, shard, at, at, run));
  TRV_TRY(verify_run({}, run));
  TRV_ASSERT(!run.records.empty());
  const bool is_same = run.records.front().lsn() == at &&
                       (at == applied.lsn ? run.hashes.front() : run.records.front().prev_hash()) == applied.last_hash;
  if (is_same) return std::string();
  return fmt::format("it was made from another record with lsn {} than the log holds", applied.lsn.value());
}

}  // namespace trv::projection
