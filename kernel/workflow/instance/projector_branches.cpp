// The branches of an instance in the projection, and what their tasks listen for.

#include <fmt/format.h>

#include <algorithm>

#include "events/record/payload.hpp"
#include "events/schema/workflow_generated.h"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/projector.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

namespace wf = schema::workflow;
using record::text_of;

base::Result<WorkflowProjector::HeldBranch*> WorkflowProjector::hold_branch(lmdb::WriteTxn& txn, BranchId branch) {
  TRV_EXPECTS(branch != root_branch && !held_.key.empty());
  const auto known = held_.branches.find(branch);
  if (known != held_.branches.end()) return &known->second;
  TRV_TRY_ASSIGN(const auto bytes, tables_.branches.get(txn, branch_key(held_.key, branch)));
  if (!bytes) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("the instance {} has no branch {}; rebuild the projection",
                                                            held_.instance.to_string(), branch));
  }
  HeldBranch held;
  TRV_TRY_ASSIGN(held.row, decode_forked(*bytes));
  held.timer_ns = timer_of(held);
  return &held_.branches.emplace(branch, std::move(held)).first->second;
}

std::int64_t WorkflowProjector::timer_of(const HeldBranch& branch) const noexcept {
  return held_.row.is_suspended != 0 ? 0 : branch.row.branch.timer_ns();
}

base::Status WorkflowProjector::hold_branches(lmdb::WriteTxn& txn, BranchId parent) {
  TRV_TRY_ASSIGN(const std::vector<BranchId> branches, branches_of(txn, parent));
  for (const BranchId branch : branches) {
    TRV_TRY(hold_branch(txn, branch));
    TRV_TRY(hold_branches(txn, branch));
  }
  return {};
}

base::Result<BranchRow*> WorkflowProjector::row_of(lmdb::WriteTxn& txn, BranchId branch) {
  if (branch == root_branch) return &held_.row.root;
  TRV_TRY_ASSIGN(HeldBranch * held, hold_branch(txn, branch));
  return &held->row.branch;
}

base::Result<std::vector<BranchId>> WorkflowProjector::branches_of(lmdb::WriteTxn& txn, BranchId parent) {
  std::vector<BranchId> found;
  if (held_.row.branches == 0) return found;
  for (const auto& [id, branch] : held_.branches) {
    if (branch.row.parent == parent) found.push_back(id);
  }
  TRV_TRY(lmdb::scan(txn, tables_.branches, base::as_bytes(held_.key), {}, lmdb::Direction::forward,
                     [&](base::BytesView key, base::BytesView value) -> base::Result<lmdb::Visit> {
                       TRV_TRY_ASSIGN(const ForkedRow row, decode_forked(value));
                       const BranchId id = branch_of(key);
                       if (row.parent == parent && !held_.branches.contains(id)) found.push_back(id);
                       return lmdb::Visit::go_on;
                     }));
  return found;
}

base::Status WorkflowProjector::erase_branches(lmdb::WriteTxn& txn, BranchId parent) {
  TRV_TRY_ASSIGN(const std::vector<BranchId> branches, branches_of(txn, parent));
  for (const BranchId id : branches) {
    TRV_TRY_ASSIGN(const HeldBranch* held, hold_branch(txn, id));
    for (std::size_t depth = 0; depth < held->row.branch.frames.size(); ++depth) {
      TRV_TRY(erase_frame(txn, id, depth, held->row.branch.frames[depth]));
    }
    const std::string key = branch_key(held_.key, id);
    TRV_TRY(set_timer(txn, id, held->timer_ns, 0));
    TRV_TRY(tables_.contexts.erase(txn, key));
    TRV_TRY(tables_.branches.erase(txn, key));
    held_.branches.erase(id);
  }
  return {};
}

base::Status WorkflowProjector::listen(lmdb::WriteTxn& txn, BranchId branch, std::vector<FrameRow>& frames,
                                       const wf::TaskListening& listening) {
  if (frames.empty() || listening.subscriptions() == nullptr || listening.step() == nullptr) return {};
  FrameRow& frame = frames.back();
  for (const wf::Subscription* one : *listening.subscriptions()) {
    const std::string end = listen_end({.definition = held_.row.sha256,
                                        .task = listening.step()->task(),
                                        .filter = one->filter(),
                                        .correlation = one->correlation(),
                                        .instance = held_.instance,
                                        .branch = branch});
    const std::string_view type = text_of(one->type());
    TRV_ASSERT(type.size() <= definition::event_type_bytes_max);
    TRV_TRY(tables_.listens.put(txn, listen_prefix(held_.tenant, type) + end, {}));
    frame.listens += static_cast<char>(type.size());
    frame.listens += type;
    frame.listens += end;
  }
  return {};
}

base::Status WorkflowProjector::add_item(lmdb::WriteTxn& txn, BranchId branch, std::vector<FrameRow>& frames,
                                         const wf::TaskHeard& heard) {
  const std::size_t depth = heard.frame() != nullptr ? heard.depth() : frames.size() - 1;
  if (depth >= frames.size()) return {};
  FrameRow& frame = frames[depth];
  if (heard.frame() != nullptr) {
    frame.heard = heard.frame()->heard();
    frame.is_over = heard.frame()->is_over() ? 1 : 0;
    frame.bound = text_of(heard.frame()->bound());
  }
  if (heard.event() == nullptr) return {};
  const std::string_view item = text_of(heard.event());
  const std::string key = items_key(branch_key(held_.key, branch), depth, frame.items / items_per_row);
  std::string row = "[";
  if (frame.items % items_per_row != 0) {
    TRV_TRY_ASSIGN(const auto before, tables_.frames.get(txn, key));
    if (!before) return base::fail(base::ErrorCode::corrupt, "a task lacks what it heard; rebuild the projection");
    row = base::as_text(*before);
    row.back() = ',';
  }
  row += item;
  row += ']';
  ++frame.items;
  return tables_.frames.put(txn, key, base::as_bytes(row));
}

base::Status WorkflowProjector::put_item(lmdb::WriteTxn& txn, BranchId branch, std::vector<FrameRow>& frames,
                                         const wf::TaskProcessed& processed) {
  if (frames.empty()) return {};
  FrameRow& frame = frames.back();
  const std::string of = branch_key(held_.key, branch);
  const std::size_t row = processed.item() / items_per_row;
  const std::string key = items_key(of, frames.size() - 1, row);
  TRV_TRY_ASSIGN(const auto before, tables_.frames.get(txn, key));
  const auto items = before ? json::parse(base::as_text(*before)) : base::Result<json::Value>(json::Value());
  const std::size_t place = processed.item() % items_per_row;
  auto output = json::parse(text_of(processed.output()));
  const bool fits = items && items->is_array() && place < items->size() && output;
  if (!fits) return base::fail(base::ErrorCode::corrupt, "a task lacks what it heard; rebuild the projection");
  std::vector<json::Value> some;
  for (std::size_t i = 0; i < items->size(); ++i) some.push_back(i == place ? *output : items->at(i));
  if (processed.is_last()) {
    some.resize(place + 1);
    for (std::size_t first = (row + 1) * items_per_row; first < frame.items; first += items_per_row) {
      TRV_TRY(tables_.frames.erase(txn, items_key(of, frames.size() - 1, first / items_per_row)));
    }
    frame.items = processed.item() + 1;
  }
  return tables_.frames.put(txn, key, base::as_bytes(json::serialize(json::Value::array(std::move(some)))));
}

void WorkflowProjector::fork(BranchId parent, const wf::TaskForked& forked) {
  if (forked.branches() == nullptr || forked.step() == nullptr) return;
  BranchRow& row = parent == root_branch ? held_.row.root : held_.branches.at(parent).row.branch;
  if (!row.frames.empty()) row.frames.back().is_fork = 1;
  for (std::uint32_t place = 0; place < forked.branches()->size(); ++place) {
    HeldBranch branch;
    branch.row.parent = parent;
    branch.row.fork = forked.step()->task();
    branch.row.place = place;
    branch.row.branch.next = forked.branches()->Get(place);
    branch.row.branch.data = row.data;
    held_.row.branches = std::max(held_.row.branches, forked.first_branch() + place);
    held_.branches.insert_or_assign(forked.first_branch() + place, std::move(branch));
  }
}

base::Status WorkflowProjector::add_compensation(lmdb::WriteTxn& txn, const TaskEvent& task, const BranchRow& branch) {
  encode(CompletedRow{.compensation = task.compensation, .input = task.seen.value_or("null"), .output = branch.data},
         encoded_);
  return tables_.compensations.put(txn, compensation_key(held_.key, held_.row.compensable++), base::as_bytes(encoded_));
}

base::Status WorkflowProjector::take_compensation(lmdb::WriteTxn& txn) {
  if (held_.row.compensable == 0) {
    return base::fail(base::ErrorCode::corrupt, "an instance compensates a task that it has not run");
  }
  TRV_TRY(tables_.compensations.erase(txn, compensation_key(held_.key, --held_.row.compensable)));
  return {};
}

base::Status WorkflowProjector::compensate(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* compensating, record::payload_of<wf::InstanceCompensating>(event));
  InstanceRow& row = held_.row;
  TRV_TRY(move(txn, root_branch, row.root, compensating->continuation()));
  row.root.error = {};
  row.deadline_ns = 0;
  row.is_suspended = 0;
  row.compensates = compensating->cancelled() ? CompensatesFor::cancellation : CompensatesFor::fault;
  row.compensates_why = text_of(compensating->cancelled() ? compensating->reason() : compensating->error());
  return {};
}

// Timers are found by the branch, and effects by the record that asked for them: they stay as they are.
base::Status WorkflowProjector::migrate(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* migrated, record::payload_of<wf::InstanceMigrated>(event));
  InstanceRow& row = held_.row;
  ++row.steps;
  row.version = text_of(migrated->version());
  row.sha256 = record::digest_of(migrated->sha256());
  row.runs.clear();
  if (migrated->runs() != nullptr) {
    for (const wf::TaskRun* one : *migrated->runs()) row.runs.push_back({one->task(), one->runs()});
  }
  const std::size_t undoable = migrated->compensations() == nullptr ? 0 : migrated->compensations()->size();
  if (undoable != row.compensable) {
    return base::fail(base::ErrorCode::corrupt,
                      fmt::format("trv.instance.migrated at lsn {} has {} tasks to undo, {} are known",
                                  event.lsn().value(), undoable, row.compensable));
  }
  for (std::uint32_t number = 0; number < row.compensable; ++number) {
    const std::string key = compensation_key(held_.key, number);
    TRV_TRY_ASSIGN(const auto bytes, tables_.compensations.get(txn, key));
    if (!bytes)
      return base::fail(base::ErrorCode::corrupt, "an instance lacks a task to compensate; rebuild the projection");
    const std::string copy(base::as_text(*bytes));
    TRV_TRY_ASSIGN(CompletedRow completed, decode_completed(base::as_bytes(copy)));
    completed.compensation = migrated->compensations()->Get(number);
    encode(completed, encoded_);
    TRV_TRY(tables_.compensations.put(txn, key, base::as_bytes(encoded_)));
  }
  if (migrated->branches() == nullptr) return {};
  for (const wf::MigratedBranch* one : *migrated->branches()) {
    TRV_TRY_ASSIGN(BranchRow * branch, row_of(txn, one->branch()));
    if (one->branch() != root_branch) {
      ForkedRow& forked = held_.branches.at(one->branch()).row;
      forked.fork = one->fork();
      forked.place = one->place();
    }
    branch->next = one->next();
    const std::size_t depth_max = one->tasks() == nullptr ? 0 : one->tasks()->size();
    if (depth_max != branch->frames.size() || one->then_tasks() == nullptr || one->then_tasks()->size() != depth_max) {
      return base::fail(base::ErrorCode::corrupt,
                        fmt::format("trv.instance.migrated at lsn {} has other frames than the instance {}",
                                    event.lsn().value(), held_.instance.to_string()));
    }
    for (std::uint32_t depth = 0; depth < depth_max; ++depth) {
      FrameRow& frame = branch->frames[depth];
      frame.task = one->tasks()->Get(depth);
      frame.then.target = one->then_tasks()->Get(depth);
      TRV_TRY(relist(txn, frame));
    }
  }
  return {};
}

// What a task listens for is found by its definition.
base::Status WorkflowProjector::relist(lmdb::WriteTxn& txn, FrameRow& frame) {
  std::string listens;
  for (std::string_view left = frame.listens; !left.empty();) {
    const std::size_t size = static_cast<unsigned char>(left.front());
    const std::string prefix = listen_prefix(held_.tenant, left.substr(1, size));
    const std::string_view before = left.substr(1 + size, listen_end_bytes);
    ListenEnd end = listen_end_in(base::as_bytes(before));
    end.definition = held_.row.sha256;
    end.task = frame.task;
    const std::string after = listen_end(end);
    TRV_TRY(tables_.listens.erase(txn, prefix + std::string(before)));
    TRV_TRY(tables_.listens.put(txn, prefix + after, {}));
    listens += left.substr(0, 1 + size);
    listens += after;
    left.remove_prefix(1 + size + listen_end_bytes);
  }
  frame.listens = std::move(listens);
  return {};
}

base::Status WorkflowProjector::restore(lmdb::WriteTxn& txn, const record::RecordView& event, std::int64_t ended_ns) {
  TRV_TRY_ASSIGN(const auto* restored, record::payload_of<wf::InstanceRestored>(event));
  TRV_TRY(tables_.ended.erase(txn, ended_key(held_.tenant, ended_ns, held_.instance)));
  InstanceRow& row = held_.row;
  ++row.steps;
  row.status = Status::running;
  row.version = text_of(restored->version());
  row.sha256 = record::digest_of(restored->sha256());
  row.deadline_ns = restored->deadline_ns();
  row.branches = restored->branches_made();
  row.root = {};
  row.context_lsn = 0;
  held_.input = text_of(restored->input());
  if (restored->runs() != nullptr) {
    for (const wf::TaskRun* one : *restored->runs()) row.runs.push_back({one->task(), one->runs()});
  }
  if (restored->branches() == nullptr) return {};
  for (const wf::RestoredBranch* one : *restored->branches()) {
    const BranchId id = one->continuation() == nullptr ? root_branch : one->continuation()->branch();
    if (id != root_branch) {
      HeldBranch branch;
      branch.row.parent = one->parent();
      branch.row.fork = one->fork();
      branch.row.place = one->place();
      branch.row.has_context = one->context() != nullptr ? 1 : 0;
      held_.branches.insert_or_assign(id, std::move(branch));
    }
    TRV_TRY_ASSIGN(BranchRow * branch, row_of(txn, id));
    branch->current = text_of(restored->task());
    TRV_TRY(move(txn, id, *branch, one->continuation()));
    if (one->context() == nullptr) continue;
    if (id == root_branch) {
      held_.context = text_of(one->context());
      row.context_lsn = place_of_(event).value();
    } else {
      held_.branches.at(id).context = text_of(one->context());
    }
  }
  for (const auto& [id, branch] : held_.branches) {
    TRV_TRY_ASSIGN(BranchRow * parent, row_of(txn, branch.row.parent));
    if (!parent->frames.empty()) parent->frames.back().is_fork = 1;
  }
  return {};
}

}  // namespace trv::instance
