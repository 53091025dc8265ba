#pragma once
// The events of definitions and instances as drafts. Pure.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/shard/decision.hpp"
#include "kernel/workflow/instance/state.hpp"

namespace trv::instance {

inline constexpr std::string_view workflow_applied_type = "trv.workflow.applied";
inline constexpr std::string_view workflow_disabled_type = "trv.workflow.disabled";
inline constexpr std::string_view workflow_enabled_type = "trv.workflow.enabled";
inline constexpr std::string_view workflow_deleted_type = "trv.workflow.deleted";
inline constexpr std::string_view workflow_scheduled_type = "trv.workflow.scheduled";
inline constexpr std::string_view workflow_gathered_type = "trv.workflow.gathered";
inline constexpr std::string_view workflow_joined_type = "trv.workflow.joined";
inline constexpr std::string_view filter_failed_type = "trv.filter.failed";
inline constexpr std::string_view instance_started_type = "trv.instance.started";
inline constexpr std::string_view instance_completed_type = "trv.instance.completed";
inline constexpr std::string_view instance_faulted_type = "trv.instance.faulted";
inline constexpr std::string_view instance_cancelled_type = "trv.instance.cancelled";
inline constexpr std::string_view instance_compensating_type = "trv.instance.compensating";
inline constexpr std::string_view instance_suspended_type = "trv.instance.suspended";
inline constexpr std::string_view instance_resumed_type = "trv.instance.resumed";
inline constexpr std::string_view instance_restored_type = "trv.instance.restored";
inline constexpr std::string_view instance_signalled_type = "trv.instance.signalled";
inline constexpr std::string_view instance_migrated_type = "trv.instance.migrated";
inline constexpr std::string_view instance_forked_type = "trv.instance.forked";
inline constexpr std::string_view task_waiting_type = "trv.task.waiting";
inline constexpr std::string_view task_forked_type = "trv.task.forked";
inline constexpr std::string_view task_listening_type = "trv.task.listening";
inline constexpr std::string_view task_running_type = "trv.task.running";
inline constexpr std::string_view task_heard_type = "trv.task.heard";
inline constexpr std::string_view task_processed_type = "trv.task.processed";
inline constexpr std::string_view task_compensating_type = "trv.task.compensating";
inline constexpr std::string_view task_completed_type = "trv.task.completed";
inline constexpr std::string_view task_faulted_type = "trv.task.faulted";
inline constexpr std::string_view task_retried_type = "trv.task.retried";

/// A JSON text that an event carries, or none.
using Json = std::optional<std::string>;

/// The change to the state of one branch.
struct Move {
  BranchId branch = root_branch;
  bool others_go_on = false;  ///< other branches go on in a later decision
  std::uint32_t keep = 0;
  std::span<const Frame> frames;
  TaskIndex next = no_task;
  std::int64_t due_ns = 0;
  Json data;
};

/// The task that an event is about.
struct StepOf {
  TaskIndex index = no_task;
  const definition::Task* task = nullptr;
  std::uint32_t attempt = 0;
  std::int64_t started_ns = 0;
  Json seen{};  ///< by a task that completes and can be undone
};

/// An event of a task with foreach, once its tasks are done.
struct Processed {
  std::uint32_t item = 0;
  Json output;
  Json context;
  bool is_last = false;  ///< the task wants no more
};

/// What an operator asks for whose instance goes on from a whole state.
struct Restoration {
  std::string_view action;  ///< retry, skip or fork
  std::string_view reason;
  std::string_view task;  ///< reference of the task that failed, or that the event behind which it goes on is about
  std::string input;      ///< JSON, of the instance
  std::string origin{};   ///< fork: the instance whose state it is, and the event of that one
  std::string origin_event{};
};

/// What an instance is in another version of its definition.
struct Migration {
  std::string_view reason;
  std::string_view from;                   ///< the version so far
  std::vector<TaskIndex> compensations{};  ///< what undoes each completed task that can be undone
};

/// Drafts of one instance.
class EventWriter {
 public:
  EventWriter(const shard::DecisionContext& context, const InstanceId& instance)
      : context_(context), instance_(instance.to_string()) {}

  [[nodiscard]] record::Draft started(const definition::Definition& definition, std::string_view trigger,
                                      std::string_view input, const Json& error, const State& state, const Move& move,
                                      const Names& names) const;
  [[nodiscard]] record::Draft completed(const Json& output, std::uint64_t steps) const;
  [[nodiscard]] record::Draft faulted(std::string_view error, std::uint64_t steps) const;
  // `tasks`: see tasks_under_way()
  [[nodiscard]] record::Draft cancelled(std::string_view reason, std::span<const std::string> not_compensated,
                                        std::span<const std::string> tasks) const;
  [[nodiscard]] record::Draft compensating(const Compensating& why, std::span<const std::string> tasks,
                                           const Move& move) const;
  [[nodiscard]] record::Draft suspended(std::string_view reason, std::span<const std::string> tasks) const;
  /// `data`: of the branch; none: nothing changes.
  [[nodiscard]] record::Draft resumed(std::string_view reason, BranchId branch, const Json& data,
                                      std::span<const std::string> tasks) const;
  /// With the whole state, of which nothing was reported yet.
  [[nodiscard]] record::Draft restored(const definition::Definition& definition, const State& state,
                                       const Restoration& restoration) const;
  /// `state`: with the tasks of `definition`.
  [[nodiscard]] record::Draft migrated(const definition::Definition& definition, const State& state,
                                       const Migration& migration) const;
  /// `event`: JSON.
  [[nodiscard]] record::Draft signalled(std::string_view id, std::string_view type, std::string_view event,
                                        std::string_view reason) const;
  /// Another instance goes on from where this one was behind the event.
  [[nodiscard]] record::Draft forked(const InstanceId& instance, std::string_view event, std::string_view reason) const;
  /// A call begins: trv.effect.requested.
  [[nodiscard]] record::Draft requested(const StepOf& step, const shard::Effect& effect, const Move& move) const;
  /// An outcome for which no task waits.
  [[nodiscard]] record::Draft settled(const Arrival& arrival) const;
  [[nodiscard]] record::Draft task_waiting(const StepOf& step, const Move& move) const;
  /// Branches `first` and the following begin, each with one of `tasks`.
  [[nodiscard]] record::Draft task_forked(const StepOf& step, BranchId first, std::span<const TaskIndex> tasks,
                                          const Move& move) const;
  [[nodiscard]] record::Draft task_listening(const StepOf& step, std::span<const Subscription> subscriptions,
                                             const Move& move) const;
  [[nodiscard]] record::Draft task_running(const StepOf& step, const InstanceId& child,
                                           const definition::Name& workflow, const Move& move) const;
  /// `event`: as the task reads it; none: it was not consumed.
  [[nodiscard]] record::Draft task_heard(const StepOf& step, std::uint32_t filter, std::string_view id,
                                         const Json& event, const Move& move) const;
  /// The same of a task with foreach, whose frame is at this depth.
  [[nodiscard]] record::Draft task_heard(const StepOf& step, std::uint32_t filter, std::string_view id,
                                         const Json& event, const Frame& frame, std::size_t depth,
                                         const Move& move) const;
  [[nodiscard]] record::Draft task_processed(const StepOf& step, const Processed& processed, const Move& move) const;
  [[nodiscard]] record::Draft task_compensating(const StepOf& step, const Move& move) const;
  [[nodiscard]] record::Draft task_completed(const StepOf& step, bool skipped, const Json& output, const Json& context,
                                             const Move& move) const;
  /// The same of a call, with its outcome: trv.effect.succeeded.
  [[nodiscard]] record::Draft task_completed(const StepOf& step, const Arrival& arrival, const Json& output,
                                             const Json& context, const Move& move) const;
  [[nodiscard]] record::Draft task_faulted(const StepOf& step, std::string_view error, const Move& move) const;
  /// The same of a call, with its outcome: trv.effect.failed.
  [[nodiscard]] record::Draft task_faulted(const StepOf& step, const Arrival& arrival, std::string_view error,
                                           const Move& move) const;
  [[nodiscard]] record::Draft task_retried(const StepOf& step, std::string_view error, const Move& move) const;

  [[nodiscard]] const std::string& instance() const noexcept { return instance_; }

 private:
  const shard::DecisionContext& context_;
  std::string instance_;
};

[[nodiscard]] record::Draft workflow_applied(const shard::DecisionContext& context,
                                             const definition::Definition& definition, definition::Format format,
                                             std::string_view text, std::int64_t due_ns);

// `workflow`: namespace/name
[[nodiscard]] record::Draft workflow_disabled(const shard::DecisionContext& context, std::string_view workflow,
                                              std::string_view reason);
[[nodiscard]] record::Draft workflow_enabled(const shard::DecisionContext& context, std::string_view workflow,
                                             std::string_view reason, std::int64_t due_ns);
/// `running`: instances that have not ended.
[[nodiscard]] record::Draft workflow_deleted(const shard::DecisionContext& context, std::string_view workflow,
                                             std::string_view reason, std::uint32_t running);

/// What a schedule comes to; see the event.
struct ScheduleStep {
  std::int64_t due_ns = 0;
  std::int64_t next_ns = 0;
  std::uint32_t missed = 0;
  std::string instance{};
};
[[nodiscard]] record::Draft workflow_scheduled(const shard::DecisionContext& context, std::string_view stream,
                                               std::string_view version, const ScheduleStep& step);
/// `event`: JSON.
[[nodiscard]] record::Draft workflow_gathered(const shard::DecisionContext& context,
                                              const definition::Definition& definition, std::uint32_t filter,
                                              std::string_view correlation, std::string_view id,
                                              std::string_view event);
[[nodiscard]] record::Draft workflow_joined(const shard::DecisionContext& context,
                                            const definition::Definition& definition, std::uint32_t filter,
                                            std::string_view correlation, const InstanceId& instance,
                                            bool uses_all = false);

/// The definition's event filter failed for this event, or used up its fuel; the event does not start it.
[[nodiscard]] record::Draft filter_failed(const shard::DecisionContext& context,
                                          const definition::Definition& definition, std::string_view event_id,
                                          std::string_view why);

/// The CloudEvent types that may start the definition, each once; an empty text means any type.
[[nodiscard]] std::vector<std::string> event_types(const definition::Definition& definition);

}  // namespace trv::instance
