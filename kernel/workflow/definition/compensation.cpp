// The compiler's part for `metadata.compensate`: what undoes a task that has completed.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

/// Whether there is a way to the end of the task, or of the list that begins with it. Of conditions nothing is known.
bool can_complete(const std::vector<Task>& tasks, TaskIndex index) {
  const TaskBody& body = tasks[index].body;
  if (std::holds_alternative<RaiseTask>(body)) return false;
  if (const auto* fork = std::get_if<ForkTask>(&body)) {
    const auto ends = [&](TaskIndex branch) { return tasks[branch].condition || can_complete(tasks, branch); };
    return fork->compete ? std::ranges::any_of(fork->branches, ends) : std::ranges::all_of(fork->branches, ends);
  }
  const auto* list = std::get_if<DoTask>(&body);
  if (list == nullptr) return true;
  for (TaskIndex at = list->first; at != no_task; at = tasks[at].next) {
    if (tasks[at].condition) continue;
    // What may leave the list, or go on elsewhere in it, may get past the tasks that follow.
    const bool goes_on = tasks[at].then.kind == Flow::Kind::next && !std::holds_alternative<SwitchTask>(tasks[at].body);
    if (!can_complete(tasks, at)) return false;
    if (!goes_on) return true;
  }
  return true;
}

}  // namespace

void Compiler::compensation(const Entry& compensate, TaskIndex of) {
  TRV_EXPECTS(of < definition_.tasks.size());
  const Node& name = compensate.value;
  if (!name.is_string() || name.text.empty()) {
    problems_.add(name.position,
                  fmt::format("'metadata.compensate' must be the name of one of 'use.functions', not {}; write there "
                              "the task that undoes this one",
                              name.is_string() ? "an empty text" : describe(name.kind)),
                  {.expected = "the name of a function"});
    return;
  }
  if (functions_ == nullptr || functions_->find(name.text) == nullptr) {
    if (!has_names_) return;
    problems_.unknown(name.position, fmt::format("'use.functions' has no function '{}'", name.text), name.text,
                      function_names(), "; 'metadata.compensate' names the function that undoes the task");
    return;
  }
  if (is_compensation_) {
    problems_.warn(compensate.position,
                   "'metadata.compensate' says nothing here: what a compensation does is not undone itself");
    return;
  }
  if (!can_complete(definition_.tasks, of)) {
    problems_.warn(compensate.position,
                   fmt::format("task '{}' never completes, so there is never anything to compensate; put "
                               "'metadata.compensate' on the task whose work is to be undone",
                               definition_.tasks[of].name));
  }
  const std::string reference = definition_.tasks[of].reference + "/metadata/compensate";
  const std::string task_name = definition_.tasks[of].name;
  const TaskIndex index =
      add_task({task_name, compensate.position, no_task, false, reference, definition_.tasks[of].text_at});
  const TaskScope scope{.index = index, .name = task_name, .reference = reference, .connection = {}};
  is_compensation_ = true;
  const std::optional<TaskIndex> first =
      function(name, scope, {{"compensated", {.variable = Variable::local, .owner = index}}});
  is_compensation_ = false;
  TRV_ASSERT(first.has_value());
  definition_.tasks[index].body = DoTask{.first = *first, .compensates = of};
  definition_.tasks[of].compensation = index;
}

}  // namespace trv::definition
