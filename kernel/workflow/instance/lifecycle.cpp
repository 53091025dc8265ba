#include "kernel/workflow/instance/lifecycle.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "events/record/payload.hpp"
#include "events/schema/workflow_generated.h"
#include "kernel/json/serialize.hpp"
#include "kernel/shard/effect.hpp"
#include "kernel/workflow/instance/events.hpp"
#include "kernel/workflow/instance/task_event.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

namespace wf = schema::workflow;
using json::Value;
using record::payload_of;
using record::text_of;

namespace {

constexpr std::string_view workflow_started = "io.serverlessworkflow.workflow.started.v1";
constexpr std::string_view workflow_suspended = "io.serverlessworkflow.workflow.suspended.v1";
constexpr std::string_view workflow_resumed = "io.serverlessworkflow.workflow.resumed.v1";
constexpr std::string_view workflow_cancelled = "io.serverlessworkflow.workflow.cancelled.v1";
constexpr std::string_view workflow_faulted = "io.serverlessworkflow.workflow.faulted.v1";
constexpr std::string_view workflow_completed = "io.serverlessworkflow.workflow.completed.v1";
constexpr std::string_view correlation_started = "io.serverlessworkflow.workflow.correlation-started.v1";
constexpr std::string_view correlation_completed = "io.serverlessworkflow.workflow.correlation-completed.v1";
constexpr std::string_view task_created = "io.serverlessworkflow.task.created.v1";
constexpr std::string_view task_started = "io.serverlessworkflow.task.started.v1";
constexpr std::string_view task_retried = "io.serverlessworkflow.task.retried.v1";
constexpr std::string_view task_faulted = "io.serverlessworkflow.task.faulted.v1";
constexpr std::string_view task_suspended = "io.serverlessworkflow.task.suspended.v1";
constexpr std::string_view task_resumed = "io.serverlessworkflow.task.resumed.v1";
constexpr std::string_view task_cancelled = "io.serverlessworkflow.task.cancelled.v1";
constexpr std::string_view task_completed = "io.serverlessworkflow.task.completed.v1";

/// References that a record names.
constexpr std::size_t references_bytes_max = 200'000;

/// Texts that are JSON already go in as they are.
LifecycleEvent make(std::string_view type, const Value& attributes, std::string_view json_name = {},
                    std::string_view json = {}) {
  if (json.empty()) return {type, json::serialize(attributes)};
  return {type, json::serialize_with(attributes, {{json_name, json}})};
}

Value of_workflow(const record::RecordView& event, std::string_view when) {
  return {{"name", event.stream_id()}, {when, event.time().to_rfc3339()}};
}

Value of_task(const record::RecordView& event, const TaskEvent& task, std::string_view when, base::Timestamp time) {
  return {{"workflow", event.stream_id()}, {"task", task.reference}, {when, time.to_rfc3339()}};
}

/// Kinds whose beginning is a record of its own.
bool begins_with_record(std::string_view kind) {
  static constexpr std::string_view kinds[] = {
      call_kind, "emit", "wait", "listen", "run", "fork", definition::compensate_kind};
  return std::ranges::find(kinds, kind) != std::end(kinds);
}

std::vector<LifecycleEvent> of(const record::RecordView& event, const TaskEvent& task) {
  std::vector<LifecycleEvent> out;
  const base::Timestamp started = task.started_ns == 0 ? event.time() : base::Timestamp(task.started_ns);
  const auto begin = [&] {
    out.push_back(make(task_created, of_task(event, task, "createdAt", started)));
    out.push_back(make(task_started, of_task(event, task, "startedAt", started)));
  };
  const std::string_view outcome = task.outcome;
  if (outcome == "completed" || outcome == "faulted") {
    if (!begins_with_record(task.kind)) begin();
    if (outcome == "faulted") {
      out.push_back(
          make(task_faulted, of_task(event, task, "faultedAt", event.time()), "error", task.error.value_or("")));
      return out;
    }
    if (task.kind == "listen") out.push_back(make(correlation_completed, of_workflow(event, "completedAt")));
    out.push_back(
        make(task_completed, of_task(event, task, "completedAt", event.time()), "output", task.output.value_or("")));
  } else if (outcome == "retried") {
    out.push_back(make(task_retried, of_task(event, task, "retriedAt", event.time())));
  } else if (outcome != "skipped" && outcome != "heard") {
    begin();
    if (outcome == "listening") out.push_back(make(correlation_started, of_workflow(event, "startedAt")));
  }
  return out;
}

/// The same of each task that the record names.
void add_tasks(const record::RecordView& event,
               const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* tasks, std::string_view type,
               std::string_view when, std::vector<LifecycleEvent>& out) {
  if (tasks == nullptr) return;
  for (const auto* task : *tasks) {
    out.push_back(
        make(type, {{"workflow", event.stream_id()}, {"task", text_of(task)}, {when, event.time().to_rfc3339()}}));
  }
}

}  // namespace

std::vector<std::string> tasks_under_way(const State& state, const definition::Definition& definition) {
  std::vector<std::string> names;
  std::size_t bytes = 0;
  for (const auto& [id, branch] : state.branches) {
    for (const Frame& frame : branch.frames) {
      const definition::Task& task = definition.task(frame.task);
      if (!begins_with_record(definition::kind_name(task))) continue;
      bytes += task.reference.size();
      if (bytes > references_bytes_max) return names;
      names.push_back(task.reference);
    }
  }
  return names;
}

base::Result<std::vector<LifecycleEvent>> lifecycle_in(const record::RecordView& event) {
  std::vector<LifecycleEvent> out;
  if (event.stream_kind() != instance_stream) return out;
  TRV_TRY_ASSIGN(const auto task, task_event_in(event));
  if (task) return of(event, *task);
  const std::string_view type = event.type();
  if (type == instance_started_type) {
    TRV_TRY_ASSIGN(const auto* started, payload_of<wf::InstanceStarted>(event));
    Value data = of_workflow(event, "startedAt");
    data.set("definition", Value{{"name", text_of(started->name())},
                                 {"namespace", text_of(started->space())},
                                 {"version", text_of(started->version())}});
    out.push_back(make(workflow_started, data));
  } else if (type == instance_completed_type) {
    TRV_TRY_ASSIGN(const auto* completed, payload_of<wf::InstanceCompleted>(event));
    out.push_back(make(workflow_completed, of_workflow(event, "completedAt"), "output", text_of(completed->output())));
  } else if (type == instance_faulted_type) {
    TRV_TRY_ASSIGN(const auto* faulted, payload_of<wf::InstanceFaulted>(event));
    out.push_back(make(workflow_faulted, of_workflow(event, "faultedAt"), "error", text_of(faulted->error())));
  } else if (type == instance_cancelled_type) {
    TRV_TRY_ASSIGN(const auto* cancelled, payload_of<wf::InstanceCancelled>(event));
    add_tasks(event, cancelled->tasks(), task_cancelled, "cancelledAt", out);
    out.push_back(make(workflow_cancelled, of_workflow(event, "cancelledAt")));
  } else if (type == instance_compensating_type) {
    TRV_TRY_ASSIGN(const auto* compensating, payload_of<wf::InstanceCompensating>(event));
    add_tasks(event, compensating->tasks(), task_cancelled, "cancelledAt", out);
  } else if (type == instance_suspended_type) {
    TRV_TRY_ASSIGN(const auto* suspended, payload_of<wf::InstanceSuspended>(event));
    add_tasks(event, suspended->tasks(), task_suspended, "suspendedAt", out);
    out.push_back(make(workflow_suspended, of_workflow(event, "suspendedAt")));
  } else if (type == instance_resumed_type) {
    TRV_TRY_ASSIGN(const auto* resumed, payload_of<wf::InstanceResumed>(event));
    out.push_back(make(workflow_resumed, of_workflow(event, "resumedAt")));
    add_tasks(event, resumed->tasks(), task_resumed, "resumedAt", out);
  } else if (type == instance_restored_type) {
    TRV_TRY_ASSIGN(const auto* restored, payload_of<wf::InstanceRestored>(event));
    // A fork has just started.
    if (restored->origin() == nullptr) out.push_back(make(workflow_resumed, of_workflow(event, "resumedAt")));
  }
  return out;
}

}  // namespace trv::instance
