#pragma once
// The lifecycle events of the Open Workflow Specification, as records of instances say them. Nothing of them is stored.
// Pure; any thread.

#include <string>
#include <string_view>
#include <vector>

#include "events/record/record.hpp"
#include "kernel/workflow/definition/definition.hpp"
#include "kernel/workflow/instance/state.hpp"

namespace trv::instance {

inline constexpr std::string_view lifecycle_types = "io.serverlessworkflow.";

struct LifecycleEvent {
  std::string_view type;  ///< io.serverlessworkflow.task.completed.v1 …
  std::string data;       ///< JSON object, compact
};

/// In order; none for most records that are not about instances. The same record gives the same ones for ever. Error:
/// corrupt.
[[nodiscard]] base::Result<std::vector<LifecycleEvent>> lifecycle_in(const record::RecordView& event);

/// References of the tasks that an instance is in the middle of and whose beginning is a record of its own, so that a
/// record can say what becomes of them. A bounded number.
[[nodiscard]] std::vector<std::string> tasks_under_way(const State& state, const definition::Definition& definition);

}  // namespace trv::instance
