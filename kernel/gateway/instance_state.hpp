#pragma once
// An instance as it once was, as answers show it. Pure; any thread.

#include "kernel/json/value.hpp"
#include "kernel/workflow/definition/definition.hpp"
#include "kernel/workflow/instance/history.hpp"

namespace trv::gateway {

/// {"task", "reference", "kind"}; null where there is no such task.
[[nodiscard]] json::Value task_object(const definition::Definition& definition, instance::TaskIndex task);

/// Its branches: where each is, what comes next, what it waits for, and its data.
[[nodiscard]] json::Value branches_object(const instance::State& state, const definition::Definition& definition);

}  // namespace trv::gateway
