#pragma once
// Single records by position: how a reader of derived state gets back to what a position names.

#include <memory>

#include "events/log/event_log.hpp"
#include "events/record/record.hpp"

namespace trv::log {

/// Positions that grow by little are read on from the one before; any other costs a new reader. One thread; the log
/// outlives it.
class RecordLookup {
 public:
  RecordLookup(EventLog& log, ShardId shard) noexcept : log_(&log), shard_(shard) {}

  /// The record at `lsn`, which is at least 1. Errors: not_found if the log does not hold it (any more); what the log
  /// reports.
  [[nodiscard]] base::Result<record::Record> at(Lsn lsn);

 private:
  EventLog* log_;
  ShardId shard_;
  std::unique_ptr<Reader> reader_;
  Lsn next_;  ///< what reader_ gives next
};

}  // namespace trv::log
