#pragma once
// What a plugin subscribes to: a workflow of its own for each operation, which the event starts and which calls the
// operation. It is applied with the decision that makes its version the current one, and goes with it.

#include <string>
#include <string_view>

#include "kernel/gateway/access.hpp"

namespace trv::gateway {

/// Of workflows that are a plugin's; the plugin's id follows. Nobody applies another one there.
inline constexpr std::string_view subscriber_space_prefix = "plugin-";

/// A namespace that begins so is refused: denied.
[[nodiscard]] base::Status check_space(std::string_view space);

using DecidePlugin = std::function<Result<shard::Decision>(const tenancy::TenancyStore& store, const lmdb::Txn& state,
                                                           shard::DecisionContext& context)>;
/// As submit_then; the workflows of the plugin follow what `decide` says in the same decision.
base::Status submit_of_plugin(Call call, std::string plugin, DecidePlugin decide, Then then);

/// A command that tenancy::decide knows, in the same way.
template <typename Command>
base::Status decide_of_plugin(Call call, std::string plugin, Command command, Then then) {
  return submit_of_plugin(
      std::move(call), std::move(plugin),
      [command = std::move(command)](const tenancy::TenancyStore& store, const lmdb::Txn& state,
                                     shard::DecisionContext& context) {
        return tenancy::decide(store, state, context, command);
      },
      std::move(then));
}

}  // namespace trv::gateway
