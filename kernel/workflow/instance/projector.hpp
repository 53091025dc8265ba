#pragma once
// Keeps definitions, instances and their timelines from the events trv.workflow.*, trv.instance.* and trv.task.*. It
// writes what events say and never looks into a definition.

#include <string>

#include "events/projection/projector.hpp"
#include "kernel/shard/timers.hpp"
#include "kernel/workflow/instance/row.hpp"
#include "kernel/workflow/instance/tables.hpp"

namespace trv::schema::workflow {
struct Continuation;
struct Step;
}  // namespace trv::schema::workflow

namespace trv::instance {

/// Used on the shard's thread; tables() by any thread, with its own transaction.
class WorkflowProjector final : public projection::Projector {
 public:
  /// `timers` must outlive the projector and be before it among the projection's projectors.
  explicit WorkflowProjector(const shard::Timers& timers) : timers_(timers) {}

  [[nodiscard]] std::string_view name() const override { return "workflow"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return 2; }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override { return tables_.open(txn); }
  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& event) override;

  [[nodiscard]] const Tables& tables() const noexcept { return tables_; }

 private:
  /// One event of an instance while it is applied. `row` borrows from `before` and from the event.
  struct Change;

  [[nodiscard]] base::Status apply_definition(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status apply_started(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status apply_to_instance(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status change(lmdb::WriteTxn& txn, const record::RecordView& event, Change& change);
  [[nodiscard]] base::Status write(lmdb::WriteTxn& txn, const record::RecordView& event, const base::Uuid& instance,
                                   std::string_view key, StateRow& row, std::int64_t due_before_ns, StepRow& step);

  const shard::Timers& timers_;
  Tables tables_;
  std::string before_;   ///< reused: the state row as it was
  std::string encoded_;  ///< reused: the row to write
};

/// The owner of an instance's timers.
[[nodiscard]] std::string timer_owner(const base::Uuid& instance);
/// The instance of a timer's owner; nullopt for timers of others.
[[nodiscard]] std::optional<base::Uuid> instance_of_timer(std::string_view owner);

}  // namespace trv::instance
