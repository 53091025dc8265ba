#pragma once
// Keeps definitions, instances and the positions of their records from the events trv.workflow.*, trv.instance.*,
// trv.task.* and, in instances' streams, trv.effect.*. It writes what events say and never looks into a definition.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "events/projection/projector.hpp"
#include "events/record/stays.hpp"
#include "kernel/shard/timers.hpp"
#include "kernel/workflow/instance/positions.hpp"
#include "kernel/workflow/instance/row.hpp"
#include "kernel/workflow/instance/schedule_rows.hpp"
#include "kernel/workflow/instance/tables.hpp"
#include "kernel/workflow/instance/task_event.hpp"

namespace trv::schema::workflow {
struct Frame;
struct TaskForked;
struct TaskHeard;
struct TaskListening;
struct TaskProcessed;
}  // namespace trv::schema::workflow

namespace trv::instance {

/// Used on the shard's thread; tables() by any thread, with its own transaction.
class WorkflowProjector final : public projection::Projector {
 public:
  /// `timers` must outlive the projector and be before it among the projection's projectors.
  explicit WorkflowProjector(const shard::Timers& timers, record::PlaceOf place_of = record::place_without_moves)
      : timers_(timers), place_of_(std::move(place_of)) {}

  [[nodiscard]] std::string_view name() const override { return "workflow"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return 17; }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override;
  void begin() override { held_ = {}; }
  /// An instance is written at the end of its decision: what a decision reads is what all earlier ones left.
  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& event) override;
  [[nodiscard]] base::Status finish(lmdb::WriteTxn& txn) override { return write_held(txn); }

  [[nodiscard]] const Tables& tables() const noexcept { return tables_; }

 private:
  /// A branch besides the root, between two events of its instance.
  struct HeldBranch {
    ForkedRow row;
    std::int64_t timer_ns = 0;  ///< of the timer that is set
    std::optional<std::string> context;
  };
  /// An instance between two of its events: its row and what is not in a table yet.
  struct Held {
    std::string key;  ///< in Tables::instances; empty: none is held
    base::Uuid instance;
    std::string tenant;
    InstanceRow row;              ///< but for the positions since
    bool is_stored = false;       ///< the tables have it, as it was before
    std::int64_t timer_ns = 0;    ///< of the timer that is set
    std::optional<Status> shown;  ///< the status that the tables have a mark of
    bool is_marked = false;       ///< they have the mark that something of it was not compensated
    std::vector<Run> positions;
    std::map<BranchId, HeldBranch> branches;
    std::optional<std::string> input;
    std::optional<std::string> context;
  };

  [[nodiscard]] base::Status apply_definition(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status apply_disabled(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status apply_enabled(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status apply_deleted(lmdb::WriteTxn& txn, const record::RecordView& event);
  /// Events do not start this version of the workflow any more, whose key in Tables::latest this is.
  [[nodiscard]] base::Status unsubscribe(lmdb::WriteTxn& txn, std::string_view tenant, const std::string& key,
                                         const DefinitionRow& row);
  [[nodiscard]] ScheduleRows schedules() const { return {tables_, timers_}; }
  [[nodiscard]] base::Status apply_filter_failed(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status apply_started(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status apply_to_instance(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status change(lmdb::WriteTxn& txn, const record::RecordView& event,
                                    const std::optional<TaskEvent>& task, InstanceRow& row);
  /// An instance that had ended at this time has the event's state.
  [[nodiscard]] base::Status restore(lmdb::WriteTxn& txn, const record::RecordView& event, std::int64_t ended_ns);
  /// Every branch has the tasks of another version; what they listen for is found by that.
  [[nodiscard]] base::Status migrate(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status relist(lmdb::WriteTxn& txn, FrameRow& frame);
  /// Frames that stay, then those of the event, and their rows.
  [[nodiscard]] base::Status move(lmdb::WriteTxn& txn, BranchId branch, BranchRow& row,
                                  const schema::workflow::Continuation* moved);
  [[nodiscard]] base::Status put_frame(lmdb::WriteTxn& txn, const std::string& branch_key, std::size_t depth,
                                       FrameRow& frame, const schema::workflow::Frame& moved);
  /// With the branches of a fork.
  [[nodiscard]] base::Status erase_frame(lmdb::WriteTxn& txn, BranchId branch, std::size_t depth,
                                         const FrameRow& frame);
  [[nodiscard]] base::Status erase_items(lmdb::WriteTxn& txn, const std::string& branch_key, std::size_t depth,
                                         std::size_t count);
  /// The innermost task begins to listen; it consumes an event.
  [[nodiscard]] base::Status listen(lmdb::WriteTxn& txn, BranchId branch, std::vector<FrameRow>& frames,
                                    const schema::workflow::TaskListening& listening);
  [[nodiscard]] base::Status add_item(lmdb::WriteTxn& txn, BranchId branch, std::vector<FrameRow>& frames,
                                      const schema::workflow::TaskHeard& heard);
  /// An output takes the place of an event that the innermost task has consumed.
  [[nodiscard]] base::Status put_item(lmdb::WriteTxn& txn, BranchId branch, std::vector<FrameRow>& frames,
                                      const schema::workflow::TaskProcessed& processed);
  /// The branches of a fork begin.
  void fork(BranchId parent, const schema::workflow::TaskForked& forked);
  /// A task that can be undone has completed, with the branch's data as its output.
  [[nodiscard]] base::Status add_compensation(lmdb::WriteTxn& txn, const TaskEvent& task, const BranchRow& branch);
  /// The last of them is undone from here on.
  [[nodiscard]] base::Status take_compensation(lmdb::WriteTxn& txn);
  [[nodiscard]] base::Status compensate(lmdb::WriteTxn& txn, const record::RecordView& event);
  /// A branch of the held instance besides the root. Error: corrupt where there is none.
  [[nodiscard]] base::Result<HeldBranch*> hold_branch(lmdb::WriteTxn& txn, BranchId branch);
  [[nodiscard]] base::Result<BranchRow*> row_of(lmdb::WriteTxn& txn, BranchId branch);
  /// The branches that a branch has, in the tables or held.
  [[nodiscard]] base::Result<std::vector<BranchId>> branches_of(lmdb::WriteTxn& txn, BranchId parent);
  /// Those of `parent`, and theirs.
  [[nodiscard]] base::Status hold_branches(lmdb::WriteTxn& txn, BranchId parent);
  /// The timer that the branch has; 0 = none.
  [[nodiscard]] std::int64_t timer_of(const HeldBranch& branch) const noexcept;
  [[nodiscard]] base::Status erase_branches(lmdb::WriteTxn& txn, BranchId parent);
  [[nodiscard]] base::Status set_timer(lmdb::WriteTxn& txn, BranchId branch, std::int64_t before_ns,
                                       std::int64_t now_ns);
  [[nodiscard]] base::Status park(lmdb::WriteTxn& txn, const record::RecordView& event);
  /// The event's instance becomes the held one. False where there is no such instance.
  [[nodiscard]] base::Result<bool> hold(lmdb::WriteTxn& txn, const record::RecordView& event,
                                        const base::Uuid& instance);
  [[nodiscard]] base::Status write_held(lmdb::WriteTxn& txn);
  /// The instances that trv.retention.applied names.
  [[nodiscard]] base::Status forget(lmdb::WriteTxn& txn, const record::RecordView& event);
  [[nodiscard]] base::Status forget(lmdb::WriteTxn& txn, std::string_view tenant, const base::Uuid& instance);
  [[nodiscard]] base::Status write_parts(lmdb::WriteTxn& txn);
  [[nodiscard]] base::Status write_branches(lmdb::WriteTxn& txn);
  [[nodiscard]] base::Status write_marks(lmdb::WriteTxn& txn);

  const shard::Timers& timers_;
  const record::PlaceOf place_of_;
  Tables tables_;
  Held held_;
  std::string encoded_;  ///< reused: the row to write
};

/// The owner of the timer of a branch.
[[nodiscard]] std::string timer_owner(const base::Uuid& instance, BranchId branch = root_branch);
/// The instance of a timer's owner; nullopt for timers of others.
[[nodiscard]] std::optional<base::Uuid> instance_of_timer(std::string_view owner);

}  // namespace trv::instance
