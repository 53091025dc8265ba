#pragma once
// What the projection keeps of schedules: when they are due, and the events that wait for others. A collaborator of the
// projector, on its thread.

#include <optional>
#include <string>
#include <string_view>

#include "events/record/record.hpp"
#include "kernel/shard/timers.hpp"
#include "kernel/workflow/instance/row.hpp"
#include "kernel/workflow/instance/tables.hpp"

namespace trv::instance {

/// References must outlive it.
class ScheduleRows {
 public:
  ScheduleRows(const Tables& tables, const shard::Timers& timers) : tables_(tables), timers_(timers) {}

  /// The newest version was applied: its schedule takes the place of the one before, whose events no longer wait.
  [[nodiscard]] base::Status replace(lmdb::WriteTxn& txn, const record::RecordView& applied) const;
  /// The workflow, whose key this is, has no schedule any more, nor events that wait.
  [[nodiscard]] base::Status erase(lmdb::WriteTxn& txn, const record::RecordView& event, const std::string& key) const;
  /// The next time of the schedule, if it has one; 0 = none.
  [[nodiscard]] base::Status set_due(lmdb::WriteTxn& txn, const record::RecordView& event, const std::string& key,
                                     std::int64_t due_ns) const;
  [[nodiscard]] base::Status apply_scheduled(lmdb::WriteTxn& txn, const record::RecordView& event) const;
  [[nodiscard]] base::Status apply_gathered(lmdb::WriteTxn& txn, const record::RecordView& event,
                                            record::Lsn place) const;
  [[nodiscard]] base::Status apply_joined(lmdb::WriteTxn& txn, const record::RecordView& event) const;

 private:
  [[nodiscard]] base::Result<std::optional<ScheduleRow>> find(lmdb::WriteTxn& txn, const std::string& key) const;
  [[nodiscard]] base::Status put(lmdb::WriteTxn& txn, const std::string& key, const ScheduleRow& row) const;
  [[nodiscard]] base::Status erase_gathered(lmdb::WriteTxn& txn, const std::string& key) const;
  [[nodiscard]] base::Status set_timer(lmdb::WriteTxn& txn, const record::RecordView& event, std::int64_t before_ns,
                                       std::int64_t now_ns) const;

  const Tables& tables_;
  const shard::Timers& timers_;
};

/// The owner of the timer of a schedule. `stream`: namespace/name
[[nodiscard]] std::string schedule_timer_owner(std::string_view stream);
/// namespace/name of a timer's owner; nullopt for timers of others.
[[nodiscard]] std::optional<std::string_view> workflow_of_timer(std::string_view owner);
/// Its key in Tables::schedules and in Tables::latest. `stream`: namespace/name. Error: corrupt.
[[nodiscard]] base::Result<std::string> workflow_key(std::string_view tenant, std::string_view stream);

}  // namespace trv::instance
