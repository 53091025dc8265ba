#pragma once
// The shape of definitions as a JSON Schema 2020-12, for editors that complete and mark by one. Pure; any thread.

#include "kernel/json/value.hpp"

namespace trv::definition {

/// Every definition that compiles passes it. What it refuses is refused by check(), too, which finds more: names, flows
/// and expressions are not a matter of shape. Its descriptions are the sentences of field_help().
[[nodiscard]] json::Value editor_schema();

}  // namespace trv::definition
