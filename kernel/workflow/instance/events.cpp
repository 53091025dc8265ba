#include "kernel/workflow/instance/events.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "events/record/payload.hpp"
#include "events/schema/workflow_generated.h"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/error.hpp"
#include "kernel/workflow/instance/task_event.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::instance {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using Text = Offset<flatbuffers::String>;

Text text(FlatBufferBuilder& builder, std::string_view value) {
  return builder.CreateString(value.data(), value.size());
}

/// Absent where there are none.
Offset<flatbuffers::Vector<Text>> texts(FlatBufferBuilder& builder, std::span<const std::string> values) {
  if (values.empty()) return {};
  std::vector<Text> all;
  for (const std::string& one : values) all.push_back(text(builder, one));
  return builder.CreateVector(all);
}

Text json(FlatBufferBuilder& builder, const Json& value) {
  return value ? text(builder, *value) : Text();
}

Text json(FlatBufferBuilder& builder, const std::optional<json::Value>& value) {
  return value ? text(builder, json::serialize(*value)) : Text();
}

Offset<schema::workflow::Frame> frame_of(FlatBufferBuilder& builder, const Frame& frame) {
  const Text input = frame.reported ? Text() : json(builder, frame.input);
  const Text items = frame.reported ? Text() : json(builder, frame.items);
  const Text error = json(builder, frame.error);
  const Text bound = frame.bound.empty() ? Text() : text(builder, frame.bound);
  const Text child = frame.child.empty() ? Text() : text(builder, frame.child);
  const bool is_jump = frame.then.kind == definition::Flow::Kind::jump;
  return schema::workflow::CreateFrame(builder, frame.task, frame.attempt, frame.started_ns, input, items, frame.index,
                                       error, frame.deadline_ns, frame.heard, frame.is_over, bound, child,
                                       static_cast<std::uint32_t>(frame.then.kind), is_jump ? frame.then.target : 0,
                                       frame.attempt_deadline_ns);
}

Offset<schema::workflow::Continuation> continuation(FlatBufferBuilder& builder, const Move& move) {
  Offset<flatbuffers::Vector<Offset<schema::workflow::Frame>>> frames;
  if (!move.frames.empty()) {
    std::vector<Offset<schema::workflow::Frame>> offsets;
    offsets.reserve(move.frames.size());
    for (const Frame& frame : move.frames) offsets.push_back(frame_of(builder, frame));
    frames = builder.CreateVector(offsets);
  }
  const Text data = json(builder, move.data);
  return schema::workflow::CreateContinuation(builder, move.keep, frames, move.next, move.due_ns, data, move.branch,
                                              move.others_go_on);
}

Offset<schema::workflow::Step> step_of(FlatBufferBuilder& builder, const shard::DecisionContext& context,
                                       const StepOf& step) {
  const Text reference = text(builder, step.task->reference);
  const std::string_view kind_name = definition::kind_name(*step.task);
  const Text kind = kind_name == call_kind ? Text() : text(builder, kind_name);
  // What starts and ends in one decision does not say when twice.
  const std::int64_t started_ns = step.started_ns == context.now.ns() ? 0 : step.started_ns;
  return schema::workflow::CreateStep(builder, step.index, reference, kind, step.attempt, started_ns);
}

Offset<schema::workflow::TaskCompleted> completed_of(FlatBufferBuilder& builder, const shard::DecisionContext& context,
                                                     const StepOf& step, bool skipped, const Json& output,
                                                     const Json& exported, const Move& move) {
  const auto about = step_of(builder, context, step);
  const Text output_text = json(builder, output);
  const Text context_text = json(builder, exported);
  const Text seen = json(builder, step.seen);
  const auto moved = continuation(builder, move);
  const TaskIndex undone_by = skipped ? no_task : step.task->compensation;
  // It is a part of the task that it undoes, so it is never the first.
  TRV_ASSERT(undone_by != 0);
  return schema::workflow::CreateTaskCompleted(builder, about, skipped, output_text, context_text, moved,
                                               undone_by == no_task ? 0 : undone_by, seen);
}

Offset<schema::workflow::TaskFaulted> faulted_of(FlatBufferBuilder& builder, const shard::DecisionContext& context,
                                                 const StepOf& step, std::string_view error, const Move& move) {
  const auto about = step_of(builder, context, step);
  const Text error_text = text(builder, error);
  const auto moved = continuation(builder, move);
  return schema::workflow::CreateTaskFaulted(builder, about, error_text, moved);
}

std::string_view bytes_of(const base::Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Offset<flatbuffers::Vector<std::uint8_t>> digest(FlatBufferBuilder& builder, const base::Digest& value) {
  return builder.CreateVector(reinterpret_cast<const std::uint8_t*>(bytes_of(value).data()), value.size());
}

auto runs_of(FlatBufferBuilder& builder, const State& state) {
  std::vector<Offset<schema::workflow::TaskRun>> runs;
  for (const TaskRuns& one : state.runs) runs.push_back(schema::workflow::CreateTaskRun(builder, one.task, one.runs));
  return builder.CreateVector(runs);
}

std::string stream_of(const definition::Name& name) {
  return name.space + "/" + name.name;
}

}  // namespace

record::Draft EventWriter::started(const definition::Definition& definition, std::string_view trigger,
                                   std::string_view input, const Json& error, const State& state, const Move& move,
                                   const Names& names) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text space = text(builder, definition.name.space);
  const Text name = text(builder, definition.name.name);
  const Text version = text(builder, definition.name.version);
  const auto sha256 = digest(builder, definition.digest);
  const Text trigger_text = text(builder, trigger);
  const Text input_text = text(builder, input);
  const Text error_text = json(builder, error);
  const auto moved = continuation(builder, move);
  const Text key = names.key.empty() ? Text() : text(builder, names.key);
  Offset<flatbuffers::Vector<Text>> correlation;
  if (!names.correlation.empty()) correlation = builder.CreateVectorOfStrings(names.correlation);
  return shard::draft(
      context_, instance_stream, instance_, instance_started_type,
      record::finish(builder, schema::workflow::CreateInstanceStarted(
                                  builder, space, name, version, sha256, trigger_text, input_text, error_text, moved,
                                  state.deadline_ns, state.chain, key, correlation)));
}

record::Draft EventWriter::completed(const Json& output, std::uint64_t steps) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text output_text = json(builder, output);
  return shard::draft(context_, instance_stream, instance_, instance_completed_type,
                      record::finish(builder, schema::workflow::CreateInstanceCompleted(builder, output_text, steps)));
}

record::Draft EventWriter::faulted(std::string_view error, std::uint64_t steps) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text error_text = text(builder, error);
  return shard::draft(context_, instance_stream, instance_, instance_faulted_type,
                      record::finish(builder, schema::workflow::CreateInstanceFaulted(builder, error_text, steps)));
}

record::Draft EventWriter::cancelled(std::string_view reason, std::span<const std::string> not_compensated,
                                     std::span<const std::string> tasks) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text reason_text = text(builder, reason);
  const auto left = texts(builder, not_compensated);
  const auto names = texts(builder, tasks);
  return shard::draft(
      context_, instance_stream, instance_, instance_cancelled_type,
      record::finish(builder, schema::workflow::CreateInstanceCancelled(builder, reason_text, left, names)));
}

record::Draft EventWriter::compensating(const Compensating& why, std::span<const std::string> tasks,
                                        const Move& move) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text reason = why.reason.empty() ? Text() : text(builder, why.reason);
  const Text error = json(builder, why.error);
  const auto moved = continuation(builder, move);
  const auto names = texts(builder, tasks);
  return shard::draft(context_, instance_stream, instance_, instance_compensating_type,
                      record::finish(builder, schema::workflow::CreateInstanceCompensating(
                                                  builder, why.is_cancelled, reason, error, moved, names)));
}

record::Draft EventWriter::task_compensating(const StepOf& step, const Move& move) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const auto about = step_of(builder, context_, step);
  const auto moved = continuation(builder, move);
  return shard::draft(context_, instance_stream, instance_, task_compensating_type,
                      record::finish(builder, schema::workflow::CreateTaskCompensating(builder, about, moved)));
}

record::Draft EventWriter::suspended(std::string_view reason, std::span<const std::string> tasks) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text reason_text = text(builder, reason);
  const auto names = texts(builder, tasks);
  return shard::draft(context_, instance_stream, instance_, instance_suspended_type,
                      record::finish(builder, schema::workflow::CreateInstanceSuspended(builder, reason_text, names)));
}

record::Draft EventWriter::resumed(std::string_view reason, BranchId branch, const Json& data,
                                   std::span<const std::string> tasks) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text reason_text = text(builder, reason);
  const Text data_text = json(builder, data);
  const auto names = texts(builder, tasks);
  return shard::draft(
      context_, instance_stream, instance_, instance_resumed_type,
      record::finish(builder, schema::workflow::CreateInstanceResumed(builder, reason_text, branch, data_text, names)));
}

record::Draft EventWriter::restored(const definition::Definition& definition, const State& state,
                                    const Restoration& restoration) const {
  FlatBufferBuilder& builder = record::payload_builder();
  std::vector<Offset<schema::workflow::RestoredBranch>> branches;
  for (const auto& [id, branch] : state.branches) {
    Move whole;
    whole.branch = id;
    whole.frames = branch.frames;
    whole.next = branch.next;
    whole.due_ns = branch.due_ns;
    whole.data = json::serialize(branch.data);
    const auto moved = continuation(builder, whole);
    const Text exported = branch.has_context ? json(builder, branch.context) : Text();
    branches.push_back(
        schema::workflow::CreateRestoredBranch(builder, moved, branch.parent, branch.fork, branch.place, exported));
  }
  const auto branch_list = builder.CreateVector(branches);
  const auto run_list = runs_of(builder, state);
  const Text reason_text = text(builder, restoration.reason);
  const Text action_text = text(builder, restoration.action);
  const Text task_text = text(builder, restoration.task);
  const Text version = text(builder, definition.name.version);
  const auto sha256 = digest(builder, definition.digest);
  const Text input_text = text(builder, restoration.input);
  const Text origin = restoration.origin.empty() ? Text() : text(builder, restoration.origin);
  const Text origin_event = restoration.origin.empty() ? Text() : text(builder, restoration.origin_event);
  return shard::draft(context_, instance_stream, instance_, instance_restored_type,
                      record::finish(builder, schema::workflow::CreateInstanceRestored(
                                                  builder, reason_text, action_text, task_text, version, sha256,
                                                  input_text, branch_list, state.branches_made, run_list,
                                                  state.deadline_ns, origin, origin_event)));
}

record::Draft EventWriter::migrated(const definition::Definition& definition, const State& state,
                                    const Migration& migration) const {
  FlatBufferBuilder& builder = record::payload_builder();
  std::vector<Offset<schema::workflow::MigratedBranch>> branches;
  for (const auto& [id, branch] : state.branches) {
    std::vector<std::uint32_t> tasks;
    std::vector<std::uint32_t> then_tasks;
    for (const Frame& frame : branch.frames) {
      tasks.push_back(frame.task);
      then_tasks.push_back(frame.then.target);
    }
    const auto task_list = builder.CreateVector(tasks);
    const auto then_list = builder.CreateVector(then_tasks);
    branches.push_back(schema::workflow::CreateMigratedBranch(builder, id, branch.fork, branch.place, branch.next,
                                                              task_list, then_list));
  }
  const auto branch_list = builder.CreateVector(branches);
  const auto run_list = runs_of(builder, state);
  const auto compensations = builder.CreateVector(migration.compensations);
  const Text reason = text(builder, migration.reason);
  const Text from = text(builder, migration.from);
  const Text version = text(builder, definition.name.version);
  const auto sha256 = digest(builder, definition.digest);
  return shard::draft(
      context_, instance_stream, instance_, instance_migrated_type,
      record::finish(builder, schema::workflow::CreateInstanceMigrated(builder, reason, from, version, sha256,
                                                                       branch_list, run_list, compensations)));
}

record::Draft EventWriter::signalled(std::string_view id, std::string_view type, std::string_view event,
                                     std::string_view reason) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text reason_text = text(builder, reason);
  const Text id_text = text(builder, id);
  const Text type_text = text(builder, type);
  const Text event_text = text(builder, event);
  return shard::draft(context_, instance_stream, instance_, instance_signalled_type,
                      record::finish(builder, schema::workflow::CreateInstanceSignalled(builder, reason_text, id_text,
                                                                                        type_text, event_text)));
}

record::Draft EventWriter::forked(const InstanceId& instance, std::string_view event, std::string_view reason) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text reason_text = text(builder, reason);
  const Text instance_text = text(builder, instance.to_string());
  const Text event_text = text(builder, event);
  return shard::draft(
      context_, instance_stream, instance_, instance_forked_type,
      record::finish(builder, schema::workflow::CreateInstanceForked(builder, reason_text, instance_text, event_text)));
}

record::Draft EventWriter::requested(const StepOf& step, const shard::Effect& effect, const Move& move) const {
  TRV_EXPECTS(effect.owner == instance_ && effect.task == step.task->reference);
  return shard::effect_requested(
      context_, effect, {step.index, [&move](FlatBufferBuilder& builder) { return continuation(builder, move); }});
}

record::Draft EventWriter::settled(const Arrival& arrival) const {
  return shard::effect_settled(context_, instance_stream, instance_, arrival.effect, arrival.outcome);
}

record::Draft EventWriter::task_waiting(const StepOf& step, const Move& move) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const auto about = step_of(builder, context_, step);
  const auto moved = continuation(builder, move);
  return shard::draft(context_, instance_stream, instance_, task_waiting_type,
                      record::finish(builder, schema::workflow::CreateTaskWaiting(builder, about, moved)));
}

record::Draft EventWriter::task_forked(const StepOf& step, BranchId first, std::span<const TaskIndex> tasks,
                                       const Move& move) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const auto about = step_of(builder, context_, step);
  const auto branches = builder.CreateVector(tasks.data(), tasks.size());
  const auto moved = continuation(builder, move);
  return shard::draft(
      context_, instance_stream, instance_, task_forked_type,
      record::finish(builder, schema::workflow::CreateTaskForked(builder, about, first, branches, moved)));
}

record::Draft EventWriter::task_listening(const StepOf& step, std::span<const Subscription> subscriptions,
                                          const Move& move) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const auto about = step_of(builder, context_, step);
  std::vector<Offset<schema::workflow::Subscription>> offsets;
  for (const Subscription& one : subscriptions) {
    const Text type = text(builder, one.type);
    offsets.push_back(schema::workflow::CreateSubscription(builder, one.filter, type, one.correlation));
  }
  const auto list = builder.CreateVector(offsets);
  const auto moved = continuation(builder, move);
  return shard::draft(context_, instance_stream, instance_, task_listening_type,
                      record::finish(builder, schema::workflow::CreateTaskListening(builder, about, list, moved)));
}

record::Draft EventWriter::task_running(const StepOf& step, const InstanceId& child, const definition::Name& workflow,
                                        const Move& move) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const auto about = step_of(builder, context_, step);
  const Text child_text = text(builder, child.to_string());
  const Text name = text(builder, fmt::format("{}/{}:{}", workflow.space, workflow.name, workflow.version));
  const auto moved = continuation(builder, move);
  return shard::draft(
      context_, instance_stream, instance_, task_running_type,
      record::finish(builder, schema::workflow::CreateTaskRunning(builder, about, child_text, name, moved)));
}

record::Draft EventWriter::task_heard(const StepOf& step, std::uint32_t filter, std::string_view id, const Json& event,
                                      const Move& move) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const auto about = step_of(builder, context_, step);
  const Text id_text = text(builder, id);
  const Text event_text = json(builder, event);
  const auto moved = continuation(builder, move);
  return shard::draft(
      context_, instance_stream, instance_, task_heard_type,
      record::finish(builder, schema::workflow::CreateTaskHeard(builder, about, filter, id_text, event_text, moved)));
}

record::Draft EventWriter::task_heard(const StepOf& step, std::uint32_t filter, std::string_view id, const Json& event,
                                      const Frame& frame, std::size_t depth, const Move& move) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const auto about = step_of(builder, context_, step);
  const Text id_text = text(builder, id);
  const Text event_text = json(builder, event);
  const auto moved = continuation(builder, move);
  const auto task = frame_of(builder, frame);
  return shard::draft(
      context_, instance_stream, instance_, task_heard_type,
      record::finish(builder, schema::workflow::CreateTaskHeard(builder, about, filter, id_text, event_text, moved,
                                                                task, static_cast<std::uint32_t>(depth))));
}

record::Draft EventWriter::task_processed(const StepOf& step, const Processed& processed, const Move& move) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const auto about = step_of(builder, context_, step);
  const Text output = json(builder, processed.output);
  const Text exported = json(builder, processed.context);
  const auto moved = continuation(builder, move);
  return shard::draft(
      context_, instance_stream, instance_, task_processed_type,
      record::finish(builder, schema::workflow::CreateTaskProcessed(builder, about, processed.item, output, exported,
                                                                    processed.is_last, moved)));
}

record::Draft EventWriter::task_completed(const StepOf& step, bool skipped, const Json& output, const Json& context,
                                          const Move& move) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const auto root = completed_of(builder, context_, step, skipped, output, context, move);
  return shard::draft(context_, instance_stream, instance_, task_completed_type, record::finish(builder, root));
}

record::Draft EventWriter::task_completed(const StepOf& step, const Arrival& arrival, const Json& output,
                                          const Json& context, const Move& move) const {
  const bool is_same = output && *output == arrival.outcome.output;
  const auto part = [&](FlatBufferBuilder& builder) {
    return completed_of(builder, context_, step, false, is_same ? std::nullopt : output, context, move);
  };
  return shard::effect_settled(context_, instance_stream, instance_, arrival.effect, arrival.outcome,
                               {.completed = part, .output_is_tasks = is_same, .faulted = {}});
}

record::Draft EventWriter::task_faulted(const StepOf& step, std::string_view error, const Move& move) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const auto root = faulted_of(builder, context_, step, error, move);
  return shard::draft(context_, instance_stream, instance_, task_faulted_type, record::finish(builder, root));
}

record::Draft EventWriter::task_faulted(const StepOf& step, const Arrival& arrival, std::string_view error,
                                        const Move& move) const {
  const auto part = [&](FlatBufferBuilder& builder) { return faulted_of(builder, context_, step, error, move); };
  return shard::effect_settled(context_, instance_stream, instance_, arrival.effect, arrival.outcome,
                               {.completed = {}, .faulted = part});
}

record::Draft EventWriter::task_retried(const StepOf& step, std::string_view error, const Move& move) const {
  FlatBufferBuilder& builder = record::payload_builder();
  const auto about = step_of(builder, context_, step);
  const Text error_text = text(builder, error);
  const auto moved = continuation(builder, move);
  return shard::draft(context_, instance_stream, instance_, task_retried_type,
                      record::finish(builder, schema::workflow::CreateTaskRetried(builder, about, error_text, moved)));
}

std::vector<std::string> event_types(const definition::Definition& definition) {
  std::vector<std::string> types;
  for (const definition::ListenFilter& filter : definition.starts) {
    const std::string& type = filter.event.type;
    if (std::find(types.begin(), types.end(), type) == types.end()) types.push_back(type);
  }
  return types;
}

record::Draft workflow_applied(const shard::DecisionContext& context, const definition::Definition& definition,
                               definition::Format format, std::string_view source, std::int64_t due_ns) {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text space = text(builder, definition.name.space);
  const Text name = text(builder, definition.name.name);
  const Text version = text(builder, definition.name.version);
  const Text format_text = text(builder, format == definition::Format::json ? "json" : "yaml");
  const Text source_text = text(builder, source);
  const auto sha256 = digest(builder, definition.digest);
  const auto types = builder.CreateVectorOfStrings(event_types(definition));
  const Text title = text(builder, definition.title);
  const Text schedule = definition.schedule ? text(builder, definition.schedule->text) : Text();
  return shard::draft(context, workflow_stream, stream_of(definition.name), workflow_applied_type,
                      record::finish(builder, schema::workflow::CreateWorkflowApplied(builder, space, name, version,
                                                                                      format_text, source_text, sha256,
                                                                                      types, title, schedule, due_ns)));
}

record::Draft workflow_disabled(const shard::DecisionContext& context, std::string_view workflow,
                                std::string_view reason) {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text why = text(builder, reason);
  return shard::draft(context, workflow_stream, std::string(workflow), workflow_disabled_type,
                      record::finish(builder, schema::workflow::CreateWorkflowDisabled(builder, why)));
}

record::Draft workflow_enabled(const shard::DecisionContext& context, std::string_view workflow,
                               std::string_view reason, std::int64_t due_ns) {
  TRV_EXPECTS(due_ns >= 0);
  FlatBufferBuilder& builder = record::payload_builder();
  const Text why = text(builder, reason);
  return shard::draft(context, workflow_stream, std::string(workflow), workflow_enabled_type,
                      record::finish(builder, schema::workflow::CreateWorkflowEnabled(builder, why, due_ns)));
}

record::Draft workflow_deleted(const shard::DecisionContext& context, std::string_view workflow,
                               std::string_view reason, std::uint32_t running) {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text why = text(builder, reason);
  return shard::draft(context, workflow_stream, std::string(workflow), workflow_deleted_type,
                      record::finish(builder, schema::workflow::CreateWorkflowDeleted(builder, why, running)));
}

record::Draft workflow_scheduled(const shard::DecisionContext& context, std::string_view stream,
                                 std::string_view version, const ScheduleStep& step) {
  TRV_EXPECTS(step.next_ns == 0 || step.instance.empty());
  FlatBufferBuilder& builder = record::payload_builder();
  const Text version_text = text(builder, version);
  const Text instance = step.instance.empty() ? Text() : text(builder, step.instance);
  return shard::draft(
      context, workflow_stream, std::string(stream), workflow_scheduled_type,
      record::finish(builder, schema::workflow::CreateWorkflowScheduled(builder, version_text, step.due_ns,
                                                                        step.next_ns, step.missed, instance)));
}

record::Draft workflow_gathered(const shard::DecisionContext& context, const definition::Definition& definition,
                                std::uint32_t filter, std::string_view correlation, std::string_view id,
                                std::string_view event) {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text version = text(builder, definition.name.version);
  const auto bytes =
      builder.CreateVector(reinterpret_cast<const std::uint8_t*>(correlation.data()), correlation.size());
  const Text id_text = text(builder, id);
  const Text event_text = text(builder, event);
  return shard::draft(context, workflow_stream, stream_of(definition.name), workflow_gathered_type,
                      record::finish(builder, schema::workflow::CreateWorkflowGathered(builder, version, filter, bytes,
                                                                                       id_text, event_text)));
}

record::Draft workflow_joined(const shard::DecisionContext& context, const definition::Definition& definition,
                              std::uint32_t filter, std::string_view correlation, const InstanceId& instance,
                              bool uses_all) {
  FlatBufferBuilder& builder = record::payload_builder();
  const Text version = text(builder, definition.name.version);
  const auto bytes =
      builder.CreateVector(reinterpret_cast<const std::uint8_t*>(correlation.data()), correlation.size());
  const Text instance_text = text(builder, instance.to_string());
  return shard::draft(context, workflow_stream, stream_of(definition.name), workflow_joined_type,
                      record::finish(builder, schema::workflow::CreateWorkflowJoined(builder, version, filter, bytes,
                                                                                     instance_text, uses_all)));
}

constexpr std::size_t failure_bytes_max = 1'000;

record::Draft filter_failed(const shard::DecisionContext& context, const definition::Definition& definition,
                            std::string_view event_id, std::string_view why) {
  TRV_EXPECTS(!why.empty());
  FlatBufferBuilder& builder = record::payload_builder();
  const Text version = text(builder, definition.name.version);
  const Text event = text(builder, event_id);
  const Text reason = text(builder, base::utf8_prefix(why, failure_bytes_max));
  return shard::draft(context, workflow_stream, stream_of(definition.name), filter_failed_type,
                      record::finish(builder, schema::workflow::CreateFilterFailed(builder, version, event, reason)));
}

}  // namespace trv::instance
