#pragma once
// Single records by position: how a reader of derived state gets back to what a position names.

#include <memory>

#include "events/log/event_log.hpp"
#include "events/record/record.hpp"
#include "events/record/stays.hpp"

namespace trv::log {

/// Positions that grow by little are read on from the one before; any other costs a new reader. One thread; the log
/// outlives it.
class RecordLookup {
 public:
  RecordLookup(EventLog& log, ShardId shard) : RecordLookup(log, record::Stays{.earlier = {}, .shard = shard}) {}
  /// Of a tenant that may have moved: positions are places in its history.
  RecordLookup(EventLog& log, record::Stays stays) : log_(&log), stays_(std::move(stays)) {}

  /// The record at `place`, which is at least 1. Errors: not_found if the log does not hold it (any more); unavailable
  /// where the log cannot be read now, or refuses it, without the log's reason; corrupt.
  [[nodiscard]] base::Result<record::Record> at(Lsn place);

 private:
  EventLog* log_;
  record::Stays stays_;
  std::unique_ptr<Reader> reader_;
  ShardId shard_;  ///< of reader_
  Lsn next_;       ///< what reader_ gives next
};

}  // namespace trv::log
