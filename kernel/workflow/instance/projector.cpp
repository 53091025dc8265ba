#include "kernel/workflow/instance/projector.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "events/record/payload.hpp"
#include "events/schema/effect_generated.h"
#include "events/schema/workflow_generated.h"
#include "kernel/workflow/definition/version.hpp"
#include "kernel/workflow/instance/events.hpp"

namespace trv::instance {

namespace wf = schema::workflow;
using record::digest_of;
using record::payload_of;
using record::text_of;

namespace {

/// Frames that stay, then those of the event. A frame without input or items keeps those of the same task before it.
void move(StateRow& row, const wf::Continuation* continuation) {
  if (continuation == nullptr) return;
  std::vector<FrameRow> before = std::move(row.frames);
  row.frames.assign(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(
                                                         std::min<std::size_t>(continuation->keep(), before.size())));
  if (continuation->frames() != nullptr) {
    for (const wf::Frame* moved : *continuation->frames()) {
      FrameRow frame{moved->task(),           moved->attempt(),        moved->index(),         moved->started_ns(),
                     text_of(moved->input()), text_of(moved->items()), text_of(moved->error())};
      const std::size_t at = row.frames.size();
      if (at < before.size() && before[at].task == frame.task) {
        if (frame.input.empty()) frame.input = before[at].input;
        if (frame.items.empty()) frame.items = before[at].items;
      }
      row.frames.push_back(frame);
    }
  }
  row.next = continuation->next();
  row.due_ns = continuation->due_ns();
  if (continuation->data() != nullptr) row.data = text_of(continuation->data());
}

void count_run(StateRow& row, TaskIndex task, std::uint32_t run) {
  for (TaskRuns& known : row.runs) {
    if (known.task != task) continue;
    known.runs = run;
    return;
  }
  row.runs.push_back({task, run});
}

}  // namespace

std::string timer_owner(const base::Uuid& instance) {
  return "instance/" + instance.to_string();
}

std::optional<base::Uuid> instance_of_timer(std::string_view owner) {
  static constexpr std::string_view prefix = "instance/";
  if (!owner.starts_with(prefix)) return std::nullopt;
  return base::Uuid::parse(owner.substr(prefix.size()));
}

struct WorkflowProjector::Change {
  StateRow& row;
  StepRow step;
  std::string_view context;

  void about(const wf::Step* of) {
    if (of == nullptr) return;
    step.name = text_of(of->name());
    step.reference = text_of(of->reference());
    step.kind = text_of(of->kind());
    step.attempt = of->attempt();
    step.started_ns = of->started_ns();
    row.current = step.reference;
  }
};

base::Status WorkflowProjector::apply(lmdb::WriteTxn& txn, const record::RecordView& event) {
  if (event.stream_kind() == instance_stream) {
    return event.type() == instance_started_type ? apply_started(txn, event) : apply_to_instance(txn, event);
  }
  if (event.type() == workflow_applied_type) return apply_definition(txn, event);
  return {};
}

base::Status WorkflowProjector::apply_definition(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* applied, payload_of<wf::WorkflowApplied>(event));
  DefinitionRow row;
  row.sha256 = digest_of(applied->sha256());
  row.format = text_of(applied->format());
  row.title = text_of(applied->title());
  row.applied_ns = event.time().ns();
  row.text = text_of(applied->text());
  if (applied->event_types() != nullptr) {
    for (const auto* type : *applied->event_types()) row.event_types.push_back(text_of(type));
  }
  encode(row, encoded_);
  const std::string_view space = text_of(applied->space());
  const std::string_view name = text_of(applied->name());
  const std::string_view version = text_of(applied->version());
  TRV_TRY(tables_.definitions.put(txn, definition_key(event.tenant(), space, name, version), base::as_bytes(encoded_)));

  const std::string key = latest_key(event.tenant(), space, name);
  TRV_TRY_ASSIGN(const auto latest, tables_.latest.get(txn, key));
  if (latest) {
    const std::string before(base::as_text(*latest));
    const auto old_version = definition::Version::parse(before);
    const auto new_version = definition::Version::parse(version);
    if (old_version && new_version && *new_version < *old_version) return {};
    // Only the latest version is started by events.
    TRV_TRY_ASSIGN(const auto old_bytes,
                   tables_.definitions.get(txn, definition_key(event.tenant(), space, name, before)));
    if (old_bytes) {
      const std::string copy(base::as_text(*old_bytes));
      TRV_TRY_ASSIGN(const DefinitionRow old_row, decode_definition(base::as_bytes(copy)));
      for (const std::string_view type : old_row.event_types) {
        const std::string subscription =
            subscription_prefix(event.tenant(), type) + key.substr(event.tenant().size() + 1);
        TRV_TRY(tables_.subscriptions.erase(txn, subscription));
      }
    }
  }
  TRV_TRY(tables_.latest.put(txn, key, base::as_bytes(version)));
  for (const std::string_view type : row.event_types) {
    const std::string subscription = subscription_prefix(event.tenant(), type) + key.substr(event.tenant().size() + 1);
    TRV_TRY(tables_.subscriptions.put(txn, subscription, base::as_bytes(version)));
  }
  return {};
}

base::Status WorkflowProjector::apply_started(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* started, payload_of<wf::InstanceStarted>(event));
  const auto instance = base::Uuid::parse(event.stream_id());
  if (!instance) return base::fail(base::ErrorCode::corrupt, "an instance's stream is not named by its id");
  const std::string key = instance_key(event.tenant(), *instance);
  HeadRow head;
  head.space = text_of(started->space());
  head.name = text_of(started->name());
  head.version = text_of(started->version());
  head.sha256 = digest_of(started->sha256());
  head.trigger = text_of(started->trigger());
  head.started_ns = event.time().ns();
  encode(head, encoded_);
  TRV_TRY(tables_.heads.put(txn, key, base::as_bytes(encoded_)));
  TRV_TRY(tables_.inputs.put(txn, key, base::as_bytes(text_of(started->input()))));
  if (head.trigger.starts_with(start_key_trigger)) {
    TRV_TRY(tables_.start_keys.put(txn, start_key(event.tenant(), head.trigger), instance->bytes()));
  }
  StateRow row;
  row.steps = 1;
  row.data = text_of(started->input());
  row.error = text_of(started->error());
  move(row, started->continuation());
  StepRow step;
  return write(txn, event, *instance, key, row, 0, step);
}

base::Status WorkflowProjector::apply_to_instance(lmdb::WriteTxn& txn, const record::RecordView& event) {
  // The decision that records an effect or its outcome records the task that it belongs to as well.
  if (event.type().starts_with("trv.effect.")) return {};
  const auto instance = base::Uuid::parse(event.stream_id());
  if (!instance) return base::fail(base::ErrorCode::corrupt, "an instance's stream is not named by its id");
  const std::string key = instance_key(event.tenant(), *instance);
  TRV_TRY_ASSIGN(const auto bytes, tables_.states.get(txn, key));
  if (!bytes) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("{} at lsn {} is about an instance that never started",
                                                            event.type(), event.lsn().value()));
  }
  before_.assign(base::as_text(*bytes));
  TRV_TRY_ASSIGN(StateRow row, decode_state(base::as_bytes(before_)));
  const std::int64_t due_before_ns = row.due_ns;
  Change one{.row = row, .step = {}, .context = {}};
  TRV_TRY(change(txn, event, one));
  if (!one.context.empty()) TRV_TRY(tables_.contexts.put(txn, key, base::as_bytes(one.context)));
  return write(txn, event, *instance, key, row, due_before_ns, one.step);
}

base::Status WorkflowProjector::change(lmdb::WriteTxn&, const record::RecordView& event, Change& one) {
  StateRow& row = one.row;
  const std::string_view type = event.type();
  ++row.steps;
  row.error = {};
  if (type == task_completed_type) {
    TRV_TRY_ASSIGN(const auto* completed, payload_of<wf::TaskCompleted>(event));
    one.about(completed->step());
    if (completed->skipped()) one.step.operation = "skipped";
    move(row, completed->continuation());
    if (completed->output() != nullptr) row.data = text_of(completed->output());
    one.context = text_of(completed->context());
  } else if (type == task_started_type) {
    TRV_TRY_ASSIGN(const auto* started, payload_of<wf::TaskStarted>(event));
    one.about(started->step());
    one.step.operation = text_of(started->operation());
    move(row, started->continuation());
    if (started->step() != nullptr) count_run(row, started->step()->task(), started->step()->attempt());
  } else if (type == task_waiting_type) {
    TRV_TRY_ASSIGN(const auto* waiting, payload_of<wf::TaskWaiting>(event));
    one.about(waiting->step());
    move(row, waiting->continuation());
  } else if (type == task_faulted_type) {
    TRV_TRY_ASSIGN(const auto* faulted, payload_of<wf::TaskFaulted>(event));
    one.about(faulted->step());
    one.step.error = text_of(faulted->error());
    row.error = text_of(faulted->error());
    move(row, faulted->continuation());
  } else if (type == task_retried_type) {
    TRV_TRY_ASSIGN(const auto* retried, payload_of<wf::TaskRetried>(event));
    one.about(retried->step());
    one.step.error = text_of(retried->error());
    move(row, retried->continuation());
  } else if (type == instance_completed_type) {
    TRV_TRY_ASSIGN(const auto* completed, payload_of<wf::InstanceCompleted>(event));
    if (completed->output() != nullptr) row.data = text_of(completed->output());
    row.status = Status::completed;
  } else if (type == instance_faulted_type) {
    TRV_TRY_ASSIGN(const auto* faulted, payload_of<wf::InstanceFaulted>(event));
    row.error = text_of(faulted->error());
    one.step.error = row.error;
    row.status = Status::faulted;
  } else if (type == instance_cancelled_type) {
    row.status = Status::cancelled;
  }
  if (row.status != Status::running) {
    row.frames.clear();
    row.runs.clear();
    row.next = no_task;
    row.due_ns = 0;
    row.current = {};
  }
  return {};
}

base::Status WorkflowProjector::write(lmdb::WriteTxn& txn, const record::RecordView& event, const base::Uuid& instance,
                                      std::string_view key, StateRow& row, std::int64_t due_before_ns, StepRow& step) {
  row.updated_ns = event.time().ns();
  encode(row, encoded_);
  TRV_TRY(tables_.states.put(txn, key, base::as_bytes(encoded_)));
  if (due_before_ns != row.due_ns) {
    const base::TenantId tenant(event.tenant());
    if (due_before_ns != 0) {
      TRV_TRY(timers_.cancel(txn, {base::Timestamp(due_before_ns), tenant, timer_owner(instance)}));
    }
    if (row.due_ns != 0) TRV_TRY(timers_.set(txn, {base::Timestamp(row.due_ns), tenant, timer_owner(instance)}));
  }
  step.time_ns = event.time().ns();
  step.type = event.type();
  encode(step, encoded_);
  return tables_.steps.put(txn, step_key(event.tenant(), instance, event.lsn()), base::as_bytes(encoded_));
}

}  // namespace trv::instance
