#include "kernel/workflow/instance/projector.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "events/record/payload.hpp"
#include "events/schema/effect_generated.h"
#include "events/schema/tenancy_generated.h"
#include "events/schema/workflow_generated.h"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/events.hpp"
#include "kernel/workflow/instance/search.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

namespace wf = schema::workflow;
using record::digest_of;
using record::payload_of;
using record::text_of;

namespace {

definition::Flow flow_of(const wf::Frame& frame) {
  definition::Flow flow{.kind = static_cast<definition::Flow::Kind>(frame.then())};
  if (flow.kind == definition::Flow::Kind::jump) flow.target = frame.then_task();
  return flow;
}

/// Of positions that no longer change.
constexpr std::size_t runs_per_row = 32;

template <typename Table>
base::Result<std::string> task_of(const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* payload, payload_of<Table>(event));
  return std::string(text_of(payload->task()));
}

void count_run(InstanceRow& row, TaskIndex task, std::uint32_t run) {
  for (TaskRuns& known : row.runs) {
    if (known.task != task) continue;
    known.runs = run;
    return;
  }
  row.runs.push_back({task, run});
}

}  // namespace

std::string timer_owner(const base::Uuid& instance, BranchId branch) {
  const std::string owner = "instance/" + instance.to_string();
  return branch == root_branch ? owner : fmt::format("{}/{}", owner, branch);
}

std::optional<base::Uuid> instance_of_timer(std::string_view owner) {
  static constexpr std::string_view prefix = "instance/";
  if (!owner.starts_with(prefix)) return std::nullopt;
  owner.remove_prefix(prefix.size());
  return base::Uuid::parse(owner.substr(0, owner.find('/')));
}

base::Status WorkflowProjector::open(lmdb::WriteTxn& txn) {
  held_ = {};
  return tables_.open(txn);
}

base::Status WorkflowProjector::apply(lmdb::WriteTxn& txn, const record::RecordView& event) {
  if (event.stream_kind() == instance_stream) {
    TRV_TRY(event.type() == instance_started_type ? apply_started(txn, event) : apply_to_instance(txn, event));
  } else if (event.type() == workflow_applied_type) {
    TRV_TRY(apply_definition(txn, event));
  } else if (event.type() == workflow_disabled_type) {
    TRV_TRY(apply_disabled(txn, event));
  } else if (event.type() == workflow_enabled_type) {
    TRV_TRY(apply_enabled(txn, event));
  } else if (event.type() == workflow_deleted_type) {
    TRV_TRY(apply_deleted(txn, event));
  } else if (event.type() == workflow_scheduled_type) {
    TRV_TRY(schedules().apply_scheduled(txn, event));
  } else if (event.type() == workflow_gathered_type) {
    TRV_TRY(schedules().apply_gathered(txn, event, place_of_(event)));
  } else if (event.type() == workflow_joined_type) {
    TRV_TRY(schedules().apply_joined(txn, event));
  } else if (event.type() == filter_failed_type) {
    TRV_TRY(apply_filter_failed(txn, event));
  } else if (event.type() == "trv.retention.applied") {
    TRV_TRY(forget(txn, event));
  }
  return event.decision_end() ? write_held(txn) : base::Status();
}

base::Status WorkflowProjector::apply_started(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* started, payload_of<wf::InstanceStarted>(event));
  const auto instance = base::Uuid::parse(event.stream_id());
  if (!instance) return base::fail(base::ErrorCode::corrupt, "an instance's stream is not named by its id");
  TRV_TRY(write_held(txn));
  held_.key = instance_key(event.tenant(), *instance);
  held_.instance = *instance;
  held_.tenant = event.tenant();
  held_.input = text_of(started->input());
  InstanceRow& row = held_.row;
  row.space = text_of(started->space());
  row.name = text_of(started->name());
  row.version = text_of(started->version());
  row.sha256 = digest_of(started->sha256());
  row.trigger = text_of(started->trigger());
  row.names.key = text_of(started->key());
  if (started->correlation() != nullptr) {
    for (const auto* one : *started->correlation()) row.names.correlation.emplace_back(text_of(one));
  }
  row.started_ns = event.time().ns();
  row.first_lsn = place_of_(event).value();
  row.steps = 1;
  row.deadline_ns = started->deadline_ns();
  row.chain = started->chain();
  row.root.data = text_of(started->input());
  row.root.error = text_of(started->error());
  if (row.trigger.starts_with(start_key_trigger)) {
    TRV_TRY(tables_.start_keys.put(txn, start_key(event.tenant(), row.trigger), instance->bytes()));
  }
  row.updated_ns = event.time().ns();
  add_position(held_.positions, place_of_(event));
  return move(txn, root_branch, row.root, started->continuation());
}

base::Status WorkflowProjector::apply_to_instance(lmdb::WriteTxn& txn, const record::RecordView& event) {
  const auto instance = base::Uuid::parse(event.stream_id());
  if (!instance) return base::fail(base::ErrorCode::corrupt, "an instance's stream is not named by its id");
  const bool is_effect = event.type().starts_with(shard::effect_types);
  TRV_TRY_ASSIGN(const bool known, hold(txn, event, *instance));
  // An outcome that comes after its instance was forgotten.
  if (!known && is_effect) return {};
  if (!known) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("{} at lsn {} is about an instance that never started",
                                                            event.type(), event.lsn().value()));
  }
  add_position(held_.positions, place_of_(event));
  TRV_TRY_ASSIGN(const auto task, task_event_in(event));
  if (is_effect && !task) return park(txn, event);
  // When it ended does not change by it.
  if (event.type() == instance_forked_type) {
    ++held_.row.steps;
    return {};
  }
  const std::int64_t before_ns = std::exchange(held_.row.updated_ns, event.time().ns());
  if (event.type() == instance_restored_type) return restore(txn, event, before_ns);
  if (event.type() == instance_migrated_type) return migrate(txn, event);
  return change(txn, event, task, held_.row);
}

// A task runs once at a time in an instance, so that its reference finds the branch.
base::Status WorkflowProjector::park(lmdb::WriteTxn& txn, const record::RecordView& event) {
  const bool is_parked = event.type() == shard::effect_parked_type;
  if (!is_parked && event.type() != shard::effect_released_type) return {};
  TRV_TRY_ASSIGN(const std::string task, is_parked ? task_of<schema::effect::EffectParked>(event)
                                                   : task_of<schema::effect::EffectReleased>(event));
  std::vector<BranchId> branches = {root_branch};
  for (std::size_t at = 0; at < branches.size(); ++at) {
    TRV_TRY_ASSIGN(BranchRow * row, row_of(txn, branches[at]));
    if (!row->frames.empty() && row->frames.back().effect != 0 && row->current == task) {
      FrameRow& call = row->frames.back();
      call.is_parked = is_parked ? 1 : 0;
      if (!is_parked) call.effect = event.lsn().value();
      return {};
    }
    TRV_TRY_ASSIGN(const std::vector<BranchId> more, branches_of(txn, branches[at]));
    branches.insert(branches.end(), more.begin(), more.end());
  }
  return {};
}

base::Result<bool> WorkflowProjector::hold(lmdb::WriteTxn& txn, const record::RecordView& event,
                                           const base::Uuid& instance) {
  std::string key = instance_key(event.tenant(), instance);
  if (held_.key == key) return true;
  TRV_TRY(write_held(txn));
  TRV_TRY_ASSIGN(const auto bytes, tables_.instances.get(txn, key));
  if (!bytes) return false;
  TRV_TRY_ASSIGN(held_.row, decode_instance(*bytes));
  held_.key = std::move(key);
  held_.instance = instance;
  held_.tenant = event.tenant();
  held_.is_stored = true;
  held_.timer_ns = held_.row.timer_ns();
  held_.shown = marked_status(held_.row);
  held_.is_marked = !held_.row.not_compensated.empty();
  return true;
}

base::Status WorkflowProjector::set_timer(lmdb::WriteTxn& txn, BranchId branch, std::int64_t before_ns,
                                          std::int64_t now_ns) {
  if (before_ns == now_ns) return {};
  const base::TenantId tenant(held_.tenant);
  const std::string owner = timer_owner(held_.instance, branch);
  if (before_ns != 0) TRV_TRY(timers_.cancel(txn, {base::Timestamp(before_ns), tenant, owner}));
  if (now_ns != 0) TRV_TRY(timers_.set(txn, {base::Timestamp(now_ns), tenant, owner}));
  return {};
}

base::Status WorkflowProjector::write_held(lmdb::WriteTxn& txn) {
  if (held_.key.empty()) return {};
  TRV_ASSERT(!held_.positions.empty());
  InstanceRow& row = held_.row;
  TRV_TRY_ASSIGN(std::vector<Run> runs, decode_runs(base::as_bytes(row.positions)));
  for (const Run& run : held_.positions) {
    add_position(runs, record::Lsn(run.first));
    runs.back().count += run.count - 1;
  }
  // The last run may still grow.
  while (runs.size() > runs_per_row) {
    const auto end = runs.begin() + runs_per_row;
    TRV_TRY(tables_.positions.put(txn, positions_key(held_.key, record::Lsn(runs.front().first)),
                                  base::as_bytes(encode(std::span(runs).first(runs_per_row)))));
    runs.erase(runs.begin(), end);
  }
  row.positions = encode(runs);
  TRV_TRY(write_parts(txn));
  TRV_TRY(write_marks(txn));
  encode(row, encoded_);
  TRV_TRY(tables_.instances.put(txn, held_.key, base::as_bytes(encoded_)));
  TRV_TRY(set_timer(txn, root_branch, held_.timer_ns, row.timer_ns()));
  TRV_TRY(write_branches(txn));
  held_ = {};
  return {};
}

base::Status WorkflowProjector::write_marks(lmdb::WriteTxn& txn) {
  const std::string_view id = base::as_text(base::BytesView(held_.instance.bytes()));
  const InstanceRow& row = held_.row;
  if (!held_.is_stored) {
    for (std::string& mark : lasting_marks(held_.tenant, row)) TRV_TRY(tables_.marks.put(txn, mark.append(id), {}));
  }
  if (!held_.is_marked && !row.not_compensated.empty()) {
    TRV_TRY(tables_.marks.put(txn, mark_prefix(held_.tenant, Mark::not_compensated, {}).append(id), {}));
  }
  const auto status = marked_status(row);
  if (status == held_.shown) return {};
  if (held_.shown) TRV_TRY(tables_.marks.erase(txn, status_mark(held_.tenant, *held_.shown).append(id)));
  if (status) TRV_TRY(tables_.marks.put(txn, status_mark(held_.tenant, *status).append(id), {}));
  return {};
}

base::Status WorkflowProjector::write_branches(lmdb::WriteTxn& txn) {
  for (const auto& [id, branch] : held_.branches) {
    const std::string key = branch_key(held_.key, id);
    encode(branch.row, encoded_);
    TRV_TRY(tables_.branches.put(txn, key, base::as_bytes(encoded_)));
    if (branch.context) TRV_TRY(tables_.contexts.put(txn, key, base::as_bytes(*branch.context)));
    TRV_TRY(set_timer(txn, id, branch.timer_ns, timer_of(branch)));
  }
  return {};
}

base::Status WorkflowProjector::forget(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY(write_held(txn));
  TRV_TRY_ASSIGN(const auto* applied, payload_of<schema::tenancy::RetentionApplied>(event));
  if (applied->instances() == nullptr) return {};
  std::array<std::uint8_t, 16> id{};
  for (std::size_t at = 0; at + id.size() <= applied->instances()->size(); at += id.size()) {
    std::copy_n(applied->instances()->data() + at, id.size(), id.begin());
    TRV_TRY(forget(txn, event.tenant(), base::Uuid(id)));
  }
  return {};
}

base::Status WorkflowProjector::forget(lmdb::WriteTxn& txn, std::string_view tenant, const base::Uuid& instance) {
  const std::string key = instance_key(tenant, instance);
  TRV_TRY_ASSIGN(const auto bytes, tables_.instances.get(txn, key));
  if (!bytes) return {};
  TRV_TRY_ASSIGN(const InstanceRow row, decode_instance(*bytes));
  if (row.status == Status::running) return {};
  if (row.trigger.starts_with(start_key_trigger)) {
    TRV_TRY(tables_.start_keys.erase(txn, start_key(tenant, row.trigger)));
    TRV_TRY(tables_.inputs.erase(txn, key));
  }
  TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, tables_.positions));
  TRV_TRY_ASSIGN(auto entry, cursor.seek(key));
  while (entry && lmdb::begins_with(entry->key, base::as_bytes(key))) {
    TRV_TRY(cursor.erase());
    TRV_TRY_ASSIGN(entry, cursor.seek(key));
  }
  TRV_TRY(tables_.ended.erase(txn, ended_key(tenant, row.updated_ns, instance)));
  std::vector<std::string> marks = lasting_marks(tenant, row);
  if (const auto status = marked_status(row)) marks.push_back(status_mark(tenant, *status));
  if (!row.not_compensated.empty()) marks.push_back(mark_prefix(tenant, Mark::not_compensated, {}));
  const std::string_view id = base::as_text(base::BytesView(instance.bytes()));
  for (std::string& mark : marks) TRV_TRY(tables_.marks.erase(txn, mark.append(id)));
  TRV_TRY(tables_.instances.erase(txn, key));
  return {};
}

// What has ended is read from the log again, where it is asked for; only a start key still needs its input.
base::Status WorkflowProjector::write_parts(lmdb::WriteTxn& txn) {
  const InstanceRow& row = held_.row;
  const bool runs = row.status == Status::running;
  if (held_.input && (runs || row.trigger.starts_with(start_key_trigger))) {
    TRV_TRY(tables_.inputs.put(txn, held_.key, base::as_bytes(*held_.input)));
  }
  const std::string root_key = branch_key(held_.key, root_branch);
  if (held_.context && runs) TRV_TRY(tables_.contexts.put(txn, root_key, base::as_bytes(*held_.context)));
  if (!runs) TRV_TRY(tables_.ended.put(txn, ended_key(held_.tenant, row.updated_ns, held_.instance), {}));
  if (runs || !held_.is_stored) return {};
  if (!row.trigger.starts_with(start_key_trigger)) TRV_TRY(tables_.inputs.erase(txn, held_.key));
  if (row.context_lsn != 0) TRV_TRY(tables_.contexts.erase(txn, root_key));
  return {};
}

// A frame without input or items keeps those of the same task before it.
base::Status WorkflowProjector::move(lmdb::WriteTxn& txn, BranchId branch, BranchRow& row,
                                     const wf::Continuation* moved) {
  if (moved == nullptr) return {};
  const std::vector<FrameRow> before = std::move(row.frames);
  const std::size_t kept = std::min<std::size_t>(moved->keep(), before.size());
  row.frames.assign(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(kept));
  if (moved->frames() != nullptr) {
    const std::string key = branch_key(held_.key, branch);
    for (const wf::Frame* one : *moved->frames()) {
      FrameRow frame{.task = one->task(),
                     .attempt = one->attempt(),
                     .index = one->index(),
                     .started_ns = one->started_ns(),
                     .is_listen = one->bound() != nullptr ? std::uint8_t{1} : std::uint8_t{0},
                     .heard = one->heard(),
                     .is_over = one->is_over() ? std::uint8_t{1} : std::uint8_t{0},
                     .bound = std::string(text_of(one->bound())),
                     .listens = {},
                     .deadline_ns = one->deadline_ns(),
                     .child = std::string(text_of(one->child())),
                     .error = std::string(text_of(one->error())),
                     .then = flow_of(*one),
                     .attempt_deadline_ns = one->attempt_deadline_ns()};
      const std::size_t depth = row.frames.size();
      if (depth < before.size() && before[depth].task == frame.task && before[depth].is_fork == 0) {
        frame.has_input = before[depth].has_input;
        frame.items = before[depth].items;
        frame.listens = before[depth].listens;
      } else if (depth < before.size()) {
        TRV_TRY(erase_frame(txn, branch, depth, before[depth]));
      }
      TRV_TRY(put_frame(txn, key, depth, frame, *one));
      row.frames.push_back(frame);
    }
  }
  for (std::size_t depth = row.frames.size(); depth < before.size(); ++depth) {
    TRV_TRY(erase_frame(txn, branch, depth, before[depth]));
  }
  row.next = moved->next();
  row.due_ns = moved->due_ns();
  if (moved->data() != nullptr) row.data = text_of(moved->data());
  return {};
}

base::Status WorkflowProjector::put_frame(lmdb::WriteTxn& txn, const std::string& branch_key, std::size_t depth,
                                          FrameRow& frame, const wf::Frame& moved) {
  if (moved.input() != nullptr) {
    TRV_TRY(tables_.frames.put(txn, frame_key(branch_key, depth), base::as_bytes(text_of(moved.input()))));
    frame.has_input = 1;
  }
  if (moved.items() == nullptr) return {};
  TRV_TRY(erase_items(txn, branch_key, depth, frame.items));
  auto items = json::parse(text_of(moved.items()));
  if (!items || !items->is_array()) return base::fail(base::ErrorCode::corrupt, "the items of a loop are not an array");
  frame.items = static_cast<std::uint32_t>(items->size());
  for (std::size_t first = 0; first < items->size(); first += items_per_row) {
    std::vector<json::Value> some;
    for (std::size_t i = first; i < std::min(first + items_per_row, items->size()); ++i) some.push_back(items->at(i));
    const std::string json = json::serialize(json::Value::array(std::move(some)));
    TRV_TRY(tables_.frames.put(txn, items_key(branch_key, depth, first / items_per_row), base::as_bytes(json)));
  }
  return {};
}

base::Status WorkflowProjector::erase_frame(lmdb::WriteTxn& txn, BranchId branch, std::size_t depth,
                                            const FrameRow& frame) {
  if (frame.is_fork != 0) TRV_TRY(erase_branches(txn, branch));
  for (std::string_view left = frame.listens; !left.empty();) {
    const std::size_t size = static_cast<unsigned char>(left.front());
    const std::string key =
        listen_prefix(held_.tenant, left.substr(1, size)) + std::string(left.substr(1 + size, listen_end_bytes));
    TRV_TRY(tables_.listens.erase(txn, key));
    left.remove_prefix(1 + size + listen_end_bytes);
  }
  if (frame.has_input == 0 && frame.items == 0) return {};
  const std::string key = branch_key(held_.key, branch);
  if (frame.has_input != 0) TRV_TRY(tables_.frames.erase(txn, frame_key(key, depth)));
  return erase_items(txn, key, depth, frame.items);
}

base::Status WorkflowProjector::erase_items(lmdb::WriteTxn& txn, const std::string& branch_key, std::size_t depth,
                                            std::size_t count) {
  for (std::size_t first = 0; first < count; first += items_per_row) {
    TRV_TRY(tables_.frames.erase(txn, items_key(branch_key, depth, first / items_per_row)));
  }
  return {};
}

base::Status WorkflowProjector::change(lmdb::WriteTxn& txn, const record::RecordView& event,
                                       const std::optional<TaskEvent>& task, InstanceRow& row) {
  const std::string_view type = event.type();
  ++row.steps;
  row.resumes_ns = 0;
  if (task) {
    const wf::Continuation* moved = task->continuation;
    const BranchId branch_id = moved == nullptr ? root_branch : moved->branch();
    TRV_TRY_ASSIGN(BranchRow * branch, row_of(txn, branch_id));
    branch->error = {};
    if (!task->is_aside) branch->current = task->reference;
    TRV_TRY(move(txn, branch_id, *branch, moved));
    if (moved != nullptr && moved->others_go_on()) row.resumes_ns = event.time().ns();
    if (task->output) branch->data = *task->output;
    if (task->context && branch_id == root_branch) {
      held_.context = *task->context;
      row.context_lsn = place_of_(event).value();
    } else if (task->context) {
      HeldBranch& forked = held_.branches.at(branch_id);
      forked.context = *task->context;
      forked.row.has_context = 1;
    }
    const bool is_compensation = task->kind == definition::compensate_kind;
    if (task->outcome == "faulted" && !is_compensation) branch->error = task->error.value_or("");
    if (task->outcome == "faulted" && is_compensation && row.compensation_failures++ < compensations_named_max) {
      row.not_compensated.push_back(compensated_by(task->reference));
    }
    if (task->compensation != no_task) TRV_TRY(add_compensation(txn, *task, *branch));
    if (type == shard::effect_requested_type) {
      count_run(row, task->index, task->attempt);
      if (!branch->frames.empty()) branch->frames.back().effect = event.lsn().value();
    } else if (type == task_listening_type) {
      TRV_TRY_ASSIGN(const auto* listening, payload_of<wf::TaskListening>(event));
      TRV_TRY(listen(txn, branch_id, branch->frames, *listening));
    } else if (type == task_heard_type) {
      TRV_TRY_ASSIGN(const auto* heard, payload_of<wf::TaskHeard>(event));
      TRV_TRY(add_item(txn, branch_id, branch->frames, *heard));
    } else if (type == task_processed_type) {
      TRV_TRY_ASSIGN(const auto* processed, payload_of<wf::TaskProcessed>(event));
      TRV_TRY(put_item(txn, branch_id, branch->frames, *processed));
    } else if (type == task_compensating_type) {
      TRV_TRY(take_compensation(txn));
    } else if (type == task_forked_type) {
      TRV_TRY_ASSIGN(const auto* forked, payload_of<wf::TaskForked>(event));
      fork(branch_id, *forked);
    }
  } else if (type == instance_completed_type) {
    TRV_TRY_ASSIGN(const auto* completed, payload_of<wf::InstanceCompleted>(event));
    row.root.error = {};
    if (completed->output() != nullptr) row.root.data = text_of(completed->output());
    row.status = Status::completed;
  } else if (type == instance_faulted_type) {
    TRV_TRY_ASSIGN(const auto* faulted, payload_of<wf::InstanceFaulted>(event));
    row.root.error = text_of(faulted->error());
    row.status = Status::faulted;
  } else if (type == instance_cancelled_type) {
    TRV_TRY_ASSIGN(const auto* cancelled, payload_of<wf::InstanceCancelled>(event));
    row.root.error = {};
    row.status = Status::cancelled;
    row.not_compensated.clear();
    if (cancelled->not_compensated() != nullptr) {
      for (const auto* one : *cancelled->not_compensated()) row.not_compensated.emplace_back(text_of(one));
    }
  } else if (type == instance_compensating_type) {
    TRV_TRY(compensate(txn, event));
  } else if (type == instance_suspended_type || type == instance_resumed_type) {
    // Every branch is written again, with the timer that it has from now on.
    TRV_TRY(hold_branches(txn, root_branch));
    row.is_suspended = type == instance_suspended_type ? 1 : 0;
    if (type == instance_resumed_type) {
      TRV_TRY_ASSIGN(const auto* resumed, payload_of<wf::InstanceResumed>(event));
      if (resumed->data() != nullptr) {
        TRV_TRY_ASSIGN(BranchRow * branch, row_of(txn, resumed->branch()));
        branch->data = text_of(resumed->data());
      }
    }
  }
  if (row.status != Status::running) {
    for (std::size_t depth = 0; depth < row.root.frames.size(); ++depth) {
      TRV_TRY(erase_frame(txn, root_branch, depth, row.root.frames[depth]));
    }
    BranchRow ended;
    if (row.status == Status::completed) ended.data = std::move(row.root.data);
    ended.error = std::move(row.root.error);
    row.root = std::move(ended);
    row.runs.clear();
    row.branches = 0;
    row.deadline_ns = 0;
    row.is_suspended = 0;
    while (row.compensable > 0) TRV_TRY(take_compensation(txn));
    row.compensates = CompensatesFor::nothing;
  }
  return {};
}

}  // namespace trv::instance
