#include "kernel/workflow/instance/restore.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sdk/base/contract.hpp"
#include "sdk/base/nearest.hpp"
#include "sdk/base/utf8.hpp"

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

/// Finds tasks of one version in another.
class TaskFinder {
 public:
  TaskFinder(const definition::Definition& from, const definition::Definition& to,
             const std::vector<TaskMapping>& mapping, std::vector<std::string>& problems)
      : from_(from), to_(to) {
    for (TaskIndex index = 0; index < to.tasks.size(); ++index) {
      paths_.try_emplace(path_of(to.task(index).reference), index);
    }
    for (const TaskMapping& one : mapping) {
      const TaskIndex before = named(from, one.from, problems);
      const TaskIndex after = named(to, one.to, problems);
      if (before == no_task || after == no_task) continue;
      if (!is_same_kind(before, after)) {
        problems.push_back(fmt::format("'{}' ({}) cannot become '{}' ({})", from.task(before).reference,
                                       kind_name(from.task(before)), to.task(after).reference,
                                       kind_name(to.task(after))));
      } else if (!said_.try_emplace(before, after).second) {
        problems.push_back(fmt::format("'{}' is mapped twice", from.task(before).reference));
      }
    }
  }

  /// no_task where there is none of its kind.
  [[nodiscard]] TaskIndex find(TaskIndex task) const {
    const auto said = said_.find(task);
    if (said != said_.end()) return said->second;
    if (const TaskIndex undone = undone_by(task); undone != no_task) {
      const TaskIndex found = find(undone);
      return found == no_task ? no_task : to_.task(found).compensation;
    }
    const auto known = paths_.find(wanted(task));
    return known == paths_.end() || !is_same_kind(task, known->second) ? no_task : known->second;
  }

  [[nodiscard]] std::string missing(TaskIndex task) const {
    const definition::Task& one = from_.task(task);
    if (const TaskIndex undone = undone_by(task); undone != no_task) {
      return fmt::format("'{}' with 'metadata.compensate', which has completed and can be undone",
                         from_.task(undone).reference);
    }
    std::string text = fmt::format("'{}' ({})", one.reference, kind_name(one));
    const auto other = paths_.find(wanted(task));
    if (other != paths_.end())
      return text + fmt::format(", which is of the kind {} there", kind_name(to_.task(other->second)));
    std::vector<std::string_view> names;
    for (TaskIndex index = 0; index < to_.tasks.size(); ++index) {
      if (is_same_kind(task, index)) names.push_back(to_.task(index).name);
    }
    const std::string_view meant = base::nearest(one.name, names);
    const auto it = std::ranges::find_if(to_.tasks, [&](const definition::Task& named) { return named.name == meant; });
    if (!meant.empty() && it != to_.tasks.end()) text += fmt::format(", perhaps '{}'", it->reference);
    return text;
  }

  /// What has to be the same of a task that the instance is inside of.
  void compare(TaskIndex task, TaskIndex found, std::vector<std::string>& problems) const {
    const definition::Task& before = from_.task(task);
    const definition::Task& after = to_.task(found);
    std::string wrong;
    if (const auto* fork = std::get_if<definition::ForkTask>(&before.body)) {
      std::vector<TaskIndex> branches;
      for (const TaskIndex branch : fork->branches) branches.push_back(find(branch));
      const auto& other = std::get<definition::ForkTask>(after.body);
      if (fork->compete != other.compete) {
        wrong = fmt::format("'{}' has another 'compete' in version {}", before.reference, to_.name.version);
      } else if (branches != other.branches) {
        wrong = fmt::format("'{}' has other branches in version {}, or has them in another order", before.reference,
                            to_.name.version);
      }
    } else if (const auto* listens = std::get_if<definition::ListenTask>(&before.body)) {
      const bool has_each = std::get<definition::ListenTask>(after.body).foreach.has_value();
      if (text_of(from_, task) != text_of(to_, found)) {
        wrong = fmt::format("'{}' listens for something else in version {}", before.reference, to_.name.version);
      } else if (listens->foreach.has_value() != has_each) {
        wrong = fmt::format("'{}' has {} 'foreach' in version {}", before.reference, has_each ? "a" : "no",
                            to_.name.version);
      }
    } else if (before.in_catch != after.in_catch) {
      wrong = fmt::format("'{}' and '{}' are not both in a 'catch'", before.reference, after.reference);
    }
    if (!wrong.empty() && std::ranges::find(problems, wrong) == problems.end()) problems.push_back(std::move(wrong));
  }

  /// Whether calls of the task have the same keys in both versions, but for the number of the run.
  [[nodiscard]] bool keeps_name(TaskIndex task, TaskIndex found) const {
    return path_of(from_.task(task).reference) == path_of(to_.task(found).reference);
  }

 private:
  [[nodiscard]] static json::Value text_of(const definition::Definition& definition, TaskIndex task) {
    const json::Value text = definition.task_definition(task);
    const json::Value* listen = text.find("listen");
    return listen == nullptr ? text : *listen;
  }
  /// The task that this one undoes.
  [[nodiscard]] TaskIndex undone_by(TaskIndex task) const {
    const auto* list = std::get_if<definition::DoTask>(&from_.task(task).body);
    return list == nullptr ? no_task : list->compensates;
  }
  [[nodiscard]] bool is_same_kind(TaskIndex task, TaskIndex other) const {
    return from_.task(task).body.index() == to_.task(other).body.index();
  }
  /// Its path, below what the nearest task around it has become.
  [[nodiscard]] std::string wanted(TaskIndex task) const {
    std::string path = path_of(from_.task(task).reference);
    for (TaskIndex around = from_.task(task).parent; around != no_task; around = from_.task(around).parent) {
      const auto said = said_.find(around);
      if (said == said_.end()) continue;
      const std::string before = path_of(from_.task(around).reference);
      if (path.starts_with(before)) return path_of(to_.task(said->second).reference) + path.substr(before.size());
    }
    return path;
  }
  [[nodiscard]] static TaskIndex named(const definition::Definition& definition, std::string_view text,
                                       std::vector<std::string>& problems) {
    TaskIndex found = no_task;
    std::size_t count = 0;
    std::vector<std::string_view> names;
    for (TaskIndex index = 0; index < definition.tasks.size(); ++index) {
      const definition::Task& task = definition.task(index);
      names.push_back(task.name);
      if (task.reference != text && task.name != text) continue;
      found = index;
      ++count;
    }
    if (count == 1) return found;
    const std::string_view meant = count == 0 ? base::nearest(text, names) : std::string_view();
    problems.push_back(
        count > 1 ? fmt::format("version {} has {} tasks of the name '{}'; name one by its reference, such as '{}'",
                                definition.name.version, count, text, definition.task(found).reference)
                  : fmt::format("version {} has no task '{}'{}", definition.name.version, base::utf8_prefix(text, 100),
                                meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant)));
    return no_task;
  }

  const definition::Definition& from_;
  const definition::Definition& to_;
  std::map<std::string, TaskIndex> paths_;
  std::map<TaskIndex, TaskIndex> said_;
};

/// A key of a call is made once for all versions that an instance has had: where a call is gone or has another name,
/// the number of its last run is kept, and no other call begins below that.
void map_runs(State& state, const definition::Definition& to, const TaskFinder& finder) {
  std::map<TaskIndex, std::uint32_t> counts;
  std::uint32_t lost = 0;
  for (const TaskRuns& one : state.runs) {
    const TaskIndex found = one.task == no_task ? no_task : finder.find(one.task);
    if (found == no_task || !finder.keeps_name(one.task, found)) lost = std::max(lost, one.runs);
    if (found != no_task) counts[found] = std::max(counts[found], one.runs);
  }
  if (lost != 0) {
    for (TaskIndex task = 0; task < to.tasks.size(); ++task) {
      if (to.task(task).has_effect()) counts[task] = std::max(counts[task], lost);
    }
    counts[no_task] = lost;
  }
  state.runs.clear();
  for (const auto& [task, runs] : counts) state.runs.push_back({task, runs});
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

Mapped map_tasks(State& state, const definition::Definition& from, const definition::Definition& to,
                 const std::vector<TaskMapping>& mapping, std::vector<TaskIndex>* compensations) {
  Mapped out;
  TaskFinder finder(from, to, mapping, out.problems);
  std::set<TaskIndex> reported;
  BranchId at = root_branch;
  const auto map = [&](TaskIndex& task) {
    if (task == no_task) return;
    const TaskIndex found = finder.find(task);
    if (found == no_task) {
      if (reported.insert(task).second) out.missing.push_back(finder.missing(task));
    } else {
      MappedTask one{at, from.task(task).reference, to.task(found).reference, kind_name(to.task(found))};
      if (std::ranges::find(out.tasks, one) == out.tasks.end()) out.tasks.push_back(std::move(one));
      finder.compare(task, found, out.problems);
    }
    task = found;
  };
  for (auto& [id, branch] : state.branches) {
    at = id;
    const auto inside_of = [&](TaskIndex task, TaskIndex scope) {
      if (task == no_task || scope == no_task || to.task(task).parent == scope) return;
      out.problems.push_back(fmt::format("'{}' of version {} is not directly inside of '{}'", to.task(task).reference,
                                         to.name.version, to.task(scope).reference));
    };
    map(branch.fork);
    TaskIndex scope = branch.fork;
    for (Frame& frame : branch.frames) {
      map(frame.task);
      map(frame.then.target);
      inside_of(frame.task, scope);
      inside_of(frame.then.target, frame.task == no_task ? no_task : to.task(frame.task).parent);
      scope = frame.task;
    }
    map(branch.next);
    inside_of(branch.next, scope);
  }
  for (std::size_t i = 0; compensations != nullptr && i < compensations->size(); ++i) {
    const TaskIndex before = (*compensations)[i];
    (*compensations)[i] = finder.find(before);
    if ((*compensations)[i] == no_task && reported.insert(before).second) out.missing.push_back(finder.missing(before));
  }
  map_runs(state, to, finder);
  return out;
}

base::Status move_to(State& state, const definition::Definition& from, const definition::Definition& to) {
  const Mapped mapped = map_tasks(state, from, to);
  const auto fail = [](const std::string& text) { return base::fail(base::ErrorCode::conflict, text); };
  if (!mapped.missing.empty()) {
    return fail(
        fmt::format("version {} lacks what the instance is in the middle of: {}; a task is found by its name and "
                    "kind, below tasks of the same names",
                    to.name.version, fmt::join(mapped.missing, ", ")));
  }
  if (!mapped.problems.empty()) return fail(fmt::format("{}", fmt::join(mapped.problems, "; ")));
  return {};
}

}  // namespace trv::instance
