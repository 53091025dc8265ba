#include "kernel/workflow/instance/restore.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "sdk/base/contract.hpp"

namespace trv::instance {
namespace {

/// A reference without the positions in lists: "/do/0/a/try/1/b" gives "/do/a/try/b". A position is what follows the
/// name of a list; the name of the task there, whatever it is, follows the position.
std::string path_of(std::string_view reference) {
  static constexpr std::string_view lists[] = {"do", "try", "branches", "extensions", "before", "after"};
  const auto is_position = [](std::string_view token) {
    return !token.empty() && token.find_first_not_of("0123456789") == std::string_view::npos;
  };
  std::vector<std::string_view> tokens;
  for (std::size_t at = 0; at < reference.size();) {
    const std::size_t end = std::min(reference.find('/', at + 1), reference.size());
    tokens.push_back(reference.substr(at + 1, end - at - 1));
    at = end;
  }
  std::string path;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    path += '/';
    path += tokens[i];
    const bool is_list = std::ranges::find(lists, tokens[i]) != std::end(lists);
    if (!is_list || i + 2 >= tokens.size() || !is_position(tokens[i + 1])) continue;
    i += 2;
    path += '/';
    path += tokens[i];
  }
  return path;
}

/// Those that the branch has, and theirs.
void erase_branches(State& state, BranchId parent) {
  std::vector<BranchId> children;
  for (const auto& [id, branch] : state.branches) {
    if (id != root_branch && branch.parent == parent) children.push_back(id);
  }
  for (const BranchId child : children) {
    erase_branches(state, child);
    state.branches.erase(child);
  }
}

}  // namespace

void take_up(State& state, const definition::Definition& definition, std::int64_t started_ns, base::Timestamp now) {
  const auto anew = [&](std::int64_t& deadline_ns, std::int64_t since_ns) {
    if (deadline_ns != 0) deadline_ns = now.ns() + std::max<std::int64_t>(deadline_ns - since_ns, 1);
  };
  anew(state.deadline_ns, started_ns);
  std::vector<BranchId> left;
  for (auto& [id, branch] : state.branches) {
    const auto iterates = std::ranges::find_if(branch.frames, [&](const Frame& frame) {
      const auto* task = std::get_if<definition::ListenTask>(&definition.task(frame.task).body);
      return task != nullptr && task->foreach;
    });
    if (iterates == branch.frames.end()) continue;
    // What came to it is gone, and so it begins anew as a whole.
    branch.next = iterates->task;
    branch.data = iterates->input.value_or(branch.data);
    branch.due_ns = 0;
    branch.frames.erase(iterates, branch.frames.end());
    left.push_back(id);
  }
  for (const BranchId parent : left) erase_branches(state, parent);
  for (auto& [id, branch] : state.branches) {
    branch.waits_for.reset();
    if (!branch.frames.empty()) {
      const TaskIndex last = branch.frames.back().task;
      const definition::Task& task = definition.task(last);
      // What came to such a task is gone with it; its input is still the branch's data.
      const bool begins_again = task.has_effect() || std::holds_alternative<definition::ListenTask>(task.body) ||
                                std::holds_alternative<definition::RunTask>(task.body);
      if (begins_again) {
        branch.frames.pop_back();
        branch.next = last;
        branch.due_ns = 0;
      }
    }
    for (Frame& frame : branch.frames) {
      anew(frame.deadline_ns, frame.started_ns);
      anew(frame.attempt_deadline_ns, frame.started_ns);
      frame.reported = false;
    }
    TRV_ENSURES(!branch.outcome && !branch.returned);
  }
}

TaskIndex same_task(const definition::Definition& from, TaskIndex task, const definition::Definition& to) {
  const std::string path = path_of(from.task(task).reference);
  for (TaskIndex other = 0; other < to.tasks.size(); ++other) {
    if (kind_name(to.task(other)) == kind_name(from.task(task)) && path_of(to.task(other).reference) == path)
      return other;
  }
  return no_task;
}

base::Status move_to(State& state, const definition::Definition& from, const definition::Definition& to) {
  std::set<std::string> missing;
  const auto map = [&](TaskIndex& task) {
    if (task == no_task) return;
    const TaskIndex found = same_task(from, task, to);
    if (found == no_task)
      missing.insert(fmt::format("'{}' ({})", from.task(task).reference, kind_name(from.task(task))));
    task = found;
  };
  for (auto& [id, branch] : state.branches) {
    map(branch.next);
    map(branch.fork);
    for (Frame& frame : branch.frames) {
      map(frame.then.target);
      map(frame.task);
    }
  }
  // A call that is no longer there runs no more; its numbers are not needed.
  std::erase_if(state.runs, [&](TaskRuns& runs) { return (runs.task = same_task(from, runs.task, to)) == no_task; });
  if (missing.empty()) return {};
  std::string list;
  for (const std::string& one : missing) list += (list.empty() ? "" : ", ") + one;
  return base::fail(base::ErrorCode::conflict,
                    fmt::format("version {} lacks what the instance is in the middle of: {}; a task is found by its "
                                "name and kind, below tasks of the same names",
                                to.name.version, list));
}

}  // namespace trv::instance
