// The compiler's part for tasks that no flow leads to.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

/// Calls `visit` with every task of the same list that can be the next one after `task`; with no_task where the list
/// can end.
template <typename Visit>
void for_each_successor(const Task& task, const TaskBody& body, const Visit& visit) {
  const auto follow = [&](const Flow& flow) {
    if (flow.kind == Flow::Kind::jump) visit(flow.target);
    if (flow.kind == Flow::Kind::next) visit(task.next);
    if (flow.kind == Flow::Kind::exit || flow.kind == Flow::Kind::end) visit(no_task);
  };
  // After a task that was skipped the flow goes on, whatever its `then` says.
  if (task.condition) visit(task.next);
  if (std::holds_alternative<RaiseTask>(body)) return;
  if (const auto* guard = std::get_if<TryTask>(&body)) follow(guard->caught_then);
  if (const auto* cases = std::get_if<SwitchTask>(&body)) {
    for (const SwitchCase& one : cases->cases) {
      follow(one.then.kind == Flow::Kind::next ? task.then : one.then);
      if (!one.when) return;
    }
  }
  follow(task.then);
}

/// Tasks with others in them can end the workflow from within.
bool jumps_to_itself(const Task& task, const TaskBody& body, TaskIndex index) {
  if (task.then.kind != Flow::Kind::jump || task.then.target != index || task.condition) return false;
  return !std::holds_alternative<DoTask>(body) && !std::holds_alternative<ForTask>(body) &&
         !std::holds_alternative<TryTask>(body) && !std::holds_alternative<ForkTask>(body) &&
         !std::holds_alternative<SwitchTask>(body);
}

}  // namespace

void Compiler::warn_of_unreachable(const std::vector<TaskIndex>& siblings) {
  TRV_EXPECTS(std::ranges::is_sorted(siblings));
  std::vector<bool> reached(siblings.size(), false);
  std::vector<std::size_t> to_follow;
  const auto reach = [&](TaskIndex task) {
    if (task == no_task) return;
    const auto found = std::ranges::lower_bound(siblings, task);
    TRV_ASSERT(found != siblings.end() && *found == task);
    const auto place = static_cast<std::size_t>(found - siblings.begin());
    if (reached[place]) return;
    reached[place] = true;
    to_follow.push_back(place);
  };
  for (std::size_t i = 0; i < siblings.size(); ++i) {
    if (reached[i]) continue;
    if (i > 0) {
      const Task& task = definition_.tasks[siblings[i]];
      problems_.warn(task.position, fmt::format("task '{}' is never run: the flow does not go on after '{}', and no "
                                                "'then' that is reached names it",
                                                task.name, definition_.tasks[siblings[i - 1]].name));
    }
    // What only an unreachable task leads to needs no warning of its own.
    reach(siblings[i]);
    while (!to_follow.empty()) {
      const std::size_t place = to_follow.back();
      to_follow.pop_back();
      const TaskIndex next = siblings[place];
      const TaskBody& body = definition_.tasks[definition_.inner(next)].body;
      for_each_successor(definition_.tasks[next], body, reach);
      const Task& task = definition_.tasks[next];
      if (i == 0 && jumps_to_itself(task, body, next)) {
        problems_.warn(task.position, fmt::format("task '{}' runs itself again without end: its 'then' names itself, "
                                                  "and it has no 'if'",
                                                  task.name));
      }
    }
  }
}

void Compiler::warn_of_endless(const std::vector<TaskIndex>& siblings) {
  TRV_EXPECTS(std::ranges::is_sorted(siblings));
  const auto place_of = [&](TaskIndex task) {
    return static_cast<std::size_t>(std::ranges::lower_bound(siblings, task) - siblings.begin());
  };
  // Against the flow, from all that leaves the list, waits, or can do so for what is known here.
  std::vector<std::vector<std::size_t>> before(siblings.size());
  std::vector<std::size_t> back_to(siblings.size(), siblings.size());
  std::vector<bool> ends(siblings.size(), false);
  std::vector<std::size_t> to_follow;
  for (std::size_t i = 0; i < siblings.size(); ++i) {
    const Task& task = definition_.tasks[siblings[i]];
    bool leaves = !std::holds_alternative<SetTask>(task.body) && !std::holds_alternative<SwitchTask>(task.body);
    for_each_successor(task, task.body, [&](TaskIndex next) {
      if (next == no_task) {
        leaves = true;
        return;
      }
      const std::size_t place = place_of(next);
      before[place].push_back(i);
      if (place <= i) back_to[i] = place;
    });
    if (!leaves) continue;
    ends[i] = true;
    to_follow.push_back(i);
  }
  while (!to_follow.empty()) {
    const std::size_t place = to_follow.back();
    to_follow.pop_back();
    for (const std::size_t earlier : before[place]) {
      if (ends[earlier]) continue;
      ends[earlier] = true;
      to_follow.push_back(earlier);
    }
  }
  for (std::size_t i = 0; i < siblings.size(); ++i) {
    if (ends[i] || back_to[i] >= i) continue;  // one that names itself has a warning already
    const Task& task = definition_.tasks[siblings[i]];
    problems_.warn(task.position,
                   fmt::format("the flow goes from task '{}' back to '{}' without end: nothing between them waits, and "
                               "nothing leads out; let a case of a 'switch', or an 'if', do so",
                               task.name, definition_.tasks[siblings[back_to[i]]].name));
  }
}

}  // namespace trv::definition
