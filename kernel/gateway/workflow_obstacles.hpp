#pragma once
// What a definition that compiles would fail for today, as the tenant and its plugins are. Any thread.

#include "kernel/effects/process_calls.hpp"
#include "kernel/gateway/access.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "kernel/workflow/definition/check.hpp"

namespace trv::gateway {

/// What a call of a plugin may fail for, beside the tenant's own grants.
struct Platform {
  const node::Node& node;
  const plugin_host::PluginHost& plugins;
  const effects::ProcessCalls& scripts;
};

/// Adds a warning for each call of an operation, and each use of a connection, that is not there, and for each script
/// in a language that is not allowed. What is missing may come later, so none of these is an error; a `call: mcp` or
/// `call: a2a` without its plugin is one, since the language has them only where that is.
[[nodiscard]] base::Status warn_of_obstacles(const Platform& platform, const Call& call,
                                             const definition::Definition& definition, const definition::Node& root,
                                             definition::Problems& problems);

}  // namespace trv::gateway
