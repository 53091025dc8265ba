// Branches: which of them runs, how a fork begins, and how it ends with all of its branches or with the first.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

void Execution::run(TaskIndex index, const definition::ForkTask& task, const Value& input) {
  TRV_EXPECTS(!task.branches.empty());
  const std::int64_t now_ns = context_.now.ns();
  if (task.branches.size() > branches_max - state_.branches_made) {
    return raise(index,
                 make_error(StandardError::runtime, definition_.task(index).reference,
                            fmt::format("an instance may have {} branches in all; start workflows of their own instead",
                                        branches_max)),
                 now_ns, 0);
  }
  Frame frame{.task = index, .started_ns = now_ns};
  frame.has_input = definition_.task(index).needs_input();
  if (frame.has_input) frame.input = input;
  push(std::move(frame));
  set_data(input);
  at_->next = no_task;
  const BranchId first = state_.branches_made + 1;
  for (const TaskIndex begins : task.branches) {
    Branch branch;
    branch.parent = branch_;
    branch.fork = index;
    branch.place = state_.branches_made + 1 - first;
    branch.next = begins;
    branch.data = input;
    state_.branches.emplace(++state_.branches_made, std::move(branch));
  }
  const Move moved = move(true);
  emit(writer_.task_forked({index, &definition_.task(index), 0, now_ns}, first, task.branches, moved));
}

void Execution::enter(BranchId branch) {
  branch_ = branch;
  at_ = &state_.branches.at(branch);
  evaluation_.enter(branch);
  read_data(branch);
}

void Execution::read_data(BranchId branch) {
  Branch& read = state_.branches.at(branch);
  if (read.is_read) return;
  read.data = evaluation_.read(instance_data_.branch_data(branch));
  read.is_read = true;
}

std::optional<BranchId> Execution::first_runnable() const {
  const auto found = std::ranges::find_if(state_.branches, [&](const auto& one) { return is_runnable(one.second); });
  return found == state_.branches.end() ? std::nullopt : std::optional(found->first);
}

bool Execution::is_runnable(const Branch& branch) const {
  if (state_.is_suspended) return branch.outcome || branch.returned;
  if ((is_over(branch.deadline_ns()) || is_over(state_.deadline_ns)) && !has_yielded()) return true;
  if (branch.due_ns != 0) return branch.due_ns <= context_.now.ns() && !has_yielded();
  if (branch.error) return true;
  if (in_call(branch)) return branch.outcome.has_value();
  if (is_listening(branch)) {
    const Frame& frame = branch.frames.back();
    if (!std::get<definition::ListenTask>(definition_.task(frame.task).body).foreach) return frame.is_over;
    return branch.next != no_task || frame.index < frame.items_count || frame.is_over;
  }
  if (is_in_run(branch)) return branch.returned.has_value();
  if (!is_in_fork(branch)) return !branch.has_ended();
  const TaskIndex fork = branch.frames.back().task;
  const bool competes = std::get<definition::ForkTask>(definition_.task(fork).body).compete;
  // A task runs once at a time in an instance, and so does a fork.
  const auto is_over = [&](const auto& one) { return one.second.fork != fork || one.second.has_ended(); };
  return competes ? std::ranges::any_of(state_.branches,
                                        [&](const auto& one) { return one.second.fork == fork && is_over(one); })
                  : std::ranges::all_of(state_.branches, is_over);
}

bool Execution::is_in_fork(const Branch& branch) const {
  return !branch.frames.empty() &&
         std::holds_alternative<definition::ForkTask>(definition_.task(branch.frames.back().task).body);
}

std::vector<BranchId> Execution::branches_of(BranchId parent) const {
  std::vector<BranchId> found;
  for (const auto& [id, branch] : state_.branches) {
    if (id != root_branch && branch.parent == parent) found.push_back(id);
  }
  TRV_ENSURES(std::ranges::is_sorted(found));
  return found;
}

void Execution::join() {
  const definition::Task& task = definition_.task(at_->frames.back().task);
  const bool competes = std::get<definition::ForkTask>(task.body).compete;
  std::vector<Value> outputs;
  for (const BranchId id : branches_of(branch_)) {
    Branch& branch = state_.branches.at(id);
    if (!branch.has_ended()) continue;
    read_data(id);
    outputs.push_back(branch.data);
    if (branch.has_context && !branch.context) branch.context = evaluation_.read(instance_data_.context(id));
    // Of several that export, the last in the text decides.
    if (branch.has_context) at_->joined_context = branch.context;
    if (competes) break;
  }
  if (evaluation_.failure()) return;
  remove_branches(branch_);
  leave_top([&](const Frame& frame, const Value& input) {
    complete(frame.task, competes ? outputs.front() : Value::array(std::move(outputs)), input, {}, frame.started_ns, 0);
  });
}

void Execution::fail_fork() {
  TRV_EXPECTS(branch_ != root_branch && at_->error.has_value());
  Value error = *std::exchange(at_->error, std::nullopt);
  enter(at_->parent);
  TRV_ASSERT(is_in_fork(*at_));
  const Frame frame = at_->frames.back();
  remove_branches(branch_);
  pop();
  raise(frame.task, std::move(error), frame.started_ns, 0);
}

void Execution::remove_branches(BranchId parent) {
  for (const BranchId id : branches_of(parent)) {
    remove_branches(id);
    cancel_effect(state_.branches.at(id));
    state_.branches.erase(id);
  }
}

void Execution::cancel_effect(Branch& branch) {
  abandon_child(branch);
  if (branch.requested_event) withdraw(branch);
  // It came with this decision, and nobody waits for it any more.
  if (branch.outcome) decision_.events.push_back(writer_.settled(*std::exchange(branch.outcome, std::nullopt)));
  if (!branch.waits_for) return;
  const shard::EffectPlace effect = *std::exchange(branch.waits_for, std::nullopt);
  decision_.events.push_back(shard::effect_cancelled(context_, instance_stream, writer_.instance(), effect));
  decision_.cancelled.push_back(effect.position);
}

void Execution::withdraw(Branch& branch) {
  const std::size_t event = *std::exchange(branch.requested_event, std::nullopt);
  const TaskIndex task = branch.frames.back().task;
  decision_.events.erase(decision_.events.begin() + static_cast<std::ptrdiff_t>(event));
  std::erase_if(decision_.effects, [&](const shard::RequestedEffect& one) { return one.event == event; });
  for (shard::RequestedEffect& later : decision_.effects) later.event -= later.event > event ? 1 : 0;
  for (auto& [id, other] : state_.branches) {
    if (other.requested_event && *other.requested_event > event) --*other.requested_event;
  }
  const auto runs = std::ranges::find(state_.runs, task, &TaskRuns::task);
  if (runs != state_.runs.end() && --runs->runs == 0) state_.runs.erase(runs);
  --state_.steps;
}

}  // namespace trv::instance
