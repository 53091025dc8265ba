#include "kernel/workflow/instance/task_event.hpp"

#include <fmt/format.h>

#include "events/record/payload.hpp"
#include "events/schema/effect_generated.h"
#include "events/schema/workflow_generated.h"
#include "kernel/workflow/instance/events.hpp"

namespace trv::instance {

namespace fx = schema::effect;
namespace wf = schema::workflow;
using record::payload_of;
using record::text_of;

namespace {

std::optional<std::string_view> optional_text(const flatbuffers::String* text) {
  return text == nullptr ? std::nullopt : std::optional(text_of(text));
}

template <typename Table>
TaskEvent about(std::string_view outcome, const Table& event) {
  TaskEvent out{.outcome = outcome};
  out.continuation = event.continuation();
  const wf::Step* step = event.step();
  if (step == nullptr) return out;
  out.index = step->task();
  out.reference = text_of(step->reference());
  out.kind = step->kind() == nullptr ? call_kind : text_of(step->kind());
  out.attempt = step->attempt();
  out.started_ns = step->started_ns();
  return out;
}

TaskEvent completed(const wf::TaskCompleted& event) {
  TaskEvent out = about(event.skipped() ? "skipped" : "completed", event);
  out.output = optional_text(event.output());
  out.context = optional_text(event.context());
  if (event.compensation() != 0) out.compensation = event.compensation();
  out.seen = optional_text(event.input());
  return out;
}

template <typename Table>
TaskEvent failed(std::string_view outcome, const Table& event) {
  TaskEvent out = about(outcome, event);
  out.error = text_of(event.error());
  return out;
}

TaskEvent requested(const fx::EffectRequested& event) {
  TaskEvent out{.outcome = "started"};
  out.index = event.index();
  out.reference = text_of(event.task());
  out.kind = text_of(event.kind()) == "event" ? "emit" : call_kind;
  out.operation = text_of(event.operation());
  if (event.plugin() != nullptr) {
    out.operation =
        fmt::format("{}.{}:{}", text_of(event.plugin()), text_of(event.operation()), text_of(event.version()));
  }
  out.attempt = event.attempt();
  out.input = optional_text(event.input());
  out.continuation = event.continuation();
  return out;
}

}  // namespace

BranchId branch_of(const TaskEvent& event) {
  return event.continuation == nullptr ? root_branch : event.continuation->branch();
}

std::string name_in(std::string_view reference) {
  std::string name(reference.substr(reference.rfind('/') + 1));
  for (std::size_t at = name.find('~'); at != std::string::npos; at = name.find('~', at + 1)) {
    name.replace(at, 2, name.substr(at, 2) == "~1" ? "/" : "~");
  }
  return name;
}

std::string compensated_by(std::string_view reference) {
  static constexpr std::string_view suffix = "/metadata/compensate";
  if (reference.ends_with(suffix)) reference.remove_suffix(suffix.size());
  return std::string(reference);
}

base::Result<std::optional<TaskEvent>> task_event_in(const record::RecordView& event) {
  const std::string_view type = event.type();
  if (type == task_completed_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<wf::TaskCompleted>(event));
    return completed(*payload);
  }
  if (type == shard::effect_requested_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<fx::EffectRequested>(event));
    return requested(*payload);
  }
  if (type == shard::effect_succeeded_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<fx::EffectSucceeded>(event));
    if (payload->completed() == nullptr) return std::nullopt;
    TaskEvent out = completed(*payload->completed());
    if (payload->output_is_tasks()) out.output = text_of(payload->output());
    out.tries = payload->tries();
    return out;
  }
  if (type == shard::effect_failed_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<fx::EffectFailed>(event));
    if (payload->faulted() == nullptr) return std::nullopt;
    TaskEvent out = failed("faulted", *payload->faulted());
    out.tries = payload->tries();
    return out;
  }
  if (type == task_waiting_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<wf::TaskWaiting>(event));
    return about("waiting", *payload);
  }
  if (type == task_listening_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<wf::TaskListening>(event));
    return about("listening", *payload);
  }
  if (type == task_running_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<wf::TaskRunning>(event));
    TaskEvent out = about("running", *payload);
    out.operation = text_of(payload->workflow());
    out.child = text_of(payload->child());
    return out;
  }
  if (type == task_heard_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<wf::TaskHeard>(event));
    TaskEvent out = about("heard", *payload);
    out.heard = optional_text(payload->event());
    out.is_aside = payload->frame() != nullptr;
    return out;
  }
  if (type == task_processed_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<wf::TaskProcessed>(event));
    TaskEvent out = about("processed", *payload);
    out.processed = optional_text(payload->output());
    out.context = optional_text(payload->context());
    return out;
  }
  if (type == task_compensating_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<wf::TaskCompensating>(event));
    TaskEvent out = about("compensating", *payload);
    if (out.continuation != nullptr) out.input = optional_text(out.continuation->data());
    return out;
  }
  if (type == task_forked_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<wf::TaskForked>(event));
    return about("forked", *payload);
  }
  if (type == task_faulted_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<wf::TaskFaulted>(event));
    return failed("faulted", *payload);
  }
  if (type == task_retried_type) {
    TRV_TRY_ASSIGN(const auto* payload, payload_of<wf::TaskRetried>(event));
    return failed("retried", *payload);
  }
  return std::nullopt;
}

}  // namespace trv::instance
