#pragma once
// A state that is taken up again: what waited begins its task anew, and where the definition is another one, each task
// is found in it. Pure; any thread.

#include <string>
#include <string_view>
#include <vector>

#include "kernel/workflow/definition/definition.hpp"
#include "kernel/workflow/instance/state.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::instance {

/// Tasks that waited for an outcome, an event or another workflow are to run again; what has a timeout has all of it
/// again. Waits for a time and for branches stay.
void take_up(State& state, const definition::Definition& definition, std::int64_t started_ns, base::Timestamp now);

/// What an operator says of a task that has another name in the other version: names or references.
struct TaskMapping {
  std::string from;
  std::string to;
};

/// A task that an instance is in the middle of, in both versions.
struct MappedTask {
  BranchId branch = root_branch;
  std::string from;  ///< reference
  std::string to;
  std::string_view kind;

  friend bool operator==(const MappedTask&, const MappedTask&) = default;
};

struct Mapped {
  std::vector<MappedTask> tasks;
  std::vector<std::string> missing;   ///< 'reference' (kind), with what may be meant
  std::vector<std::string> problems;  ///< whatever else does not fit
};

/// No more completed tasks that can be undone are taken to another version.
inline constexpr std::uint32_t moved_compensations_max = 10'000;

/// Tasks of `from` become those of `to` that `mapping` says, else those that have the same name, kind and place among
/// named tasks; positions in lists may differ. So does what
/// undoes completed tasks, in `compensations`. A state with a missing task or a problem is of no use.
[[nodiscard]] Mapped map_tasks(State& state, const definition::Definition& from, const definition::Definition& to,
                               const std::vector<TaskMapping>& mapping = {},
                               std::vector<TaskIndex>* compensations = nullptr);

/// The same. Error: conflict that names each task that is not there, or else each problem.
[[nodiscard]] base::Status move_to(State& state, const definition::Definition& from, const definition::Definition& to);

}  // namespace trv::instance
