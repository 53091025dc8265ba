#pragma once
// Which instances a request is about, as its parameters say it. Any thread.

#include <functional>
#include <optional>
#include <string_view>

#include "kernel/node/node.hpp"
#include "kernel/workflow/instance/store.hpp"

namespace trv::gateway {

/// The value that the request has for a parameter.
using ParameterOf = std::function<std::optional<std::string_view>(std::string_view name)>;

/// From `status`, `workflow`, `key`, `correlation`, `error`, `since` and `until`. Error: invalid, with the parameter.
[[nodiscard]] base::Result<instance::Search> search_of(const node::Node& node, const ParameterOf& parameter);

/// Whether it can be the key of an instance. Error: invalid, with the name of what gave it.
[[nodiscard]] base::Status check_key(std::string_view name, std::string_view key);

}  // namespace trv::gateway
