#pragma once
// A state that is taken up again: what waited begins its task anew, and where the definition is another one, each task
// is found in it. Pure; any thread.

#include "kernel/workflow/definition/definition.hpp"
#include "kernel/workflow/instance/state.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::instance {

/// Tasks that waited for an outcome, an event or another workflow are to run again; what has a timeout has all of it
/// again. Waits for a time and for branches stay.
void take_up(State& state, const definition::Definition& definition, std::int64_t started_ns, base::Timestamp now);

/// Tasks of `from` become those of `to` that have the same name, kind and place among named tasks; positions in lists
/// may differ. Error: conflict that names each task that is not there.
[[nodiscard]] base::Status move_to(State& state, const definition::Definition& from, const definition::Definition& to);

/// The task in `to` that a task of `from` is; no_task where there is none.
[[nodiscard]] TaskIndex same_task(const definition::Definition& from, TaskIndex task, const definition::Definition& to);

}  // namespace trv::instance
