#include "kernel/gateway/plugin_subscriptions.hpp"

#include <fmt/format.h>

#include <iterator>

#include "kernel/json/serialize.hpp"
#include "kernel/tenancy/plugin_subscriptions.hpp"
#include "kernel/workflow/instance/workflow_actions.hpp"

namespace trv::gateway {
namespace {

/// The workflow that hands events to the operation: whole, as its input's member "event".
base::Result<instance::ApplyDefinition> workflow_of(const std::string& plugin, const std::string& version,
                                                    const package::Subscription& subscription) {
  json::Value filters = json::Value::array();
  for (const std::string& type : subscription.events) filters.push_back({{"with", {{"type", type}}}});
  json::Value tasks = json::Value::array();
  tasks.push_back({{"deliver",
                    {{"call", fmt::format("{}.{}:{}@default", plugin, subscription.operation, version)},
                     {"with", {{"event", "${ .[0] }"}}}}}});
  const json::Value definition = {
      {"document",
       {{"dsl", "1.0.3"},
        {"namespace", fmt::format("{}{}", subscriber_space_prefix, plugin)},
        {"name", subscription.operation},
        {"version", version},
        {"title", fmt::format("Events for {} of the plugin {}", subscription.operation, plugin)}}},
      {"schedule", {{"on", {{"any", std::move(filters)}}}, {"read", "envelope"}}},
      {"do", std::move(tasks)}};
  return instance::ApplyDefinition::compile(json::serialize(definition), definition::Format::json);
}

base::Result<shard::Decision> workflows_after(node::Shard& shard, const lmdb::Txn& state,
                                              shard::DecisionContext& context, const std::string& plugin,
                                              const shard::Decision& decision) {
  TRV_TRY_ASSIGN(const tenancy::Subscriptions after,
                 tenancy::subscriptions_after(shard.tenancy(), state, context.tenant, plugin, decision));
  std::vector<instance::ApplyDefinition> wanted;
  for (const package::Subscription& one : after.permitted) {
    TRV_TRY_ASSIGN(auto workflow, workflow_of(plugin, after.version, one));
    wanted.push_back(std::move(workflow));
  }
  const std::string reason =
      after.version.empty()
          ? fmt::format("the plugin {} was disabled", plugin)
          : fmt::format("what the plugin {} {} subscribes to, and may, is another", plugin, after.version);
  return instance::keep_workflows(state, context, shard.decision_state(),
                                  fmt::format("{}{}", subscriber_space_prefix, plugin), std::move(wanted), reason);
}

}  // namespace

base::Status check_space(std::string_view space) {
  if (!space.starts_with(subscriber_space_prefix)) return {};
  return fail(ErrorCode::denied,
              fmt::format("the namespace '{}' cannot be used: those that begin with '{}' hold what plugins subscribe "
                          "to; choose another",
                          space, subscriber_space_prefix));
}

base::Status submit_of_plugin(Call call, std::string plugin, DecidePlugin decide, Then then) {
  node::Shard& shard = call.shard;
  return submit_then(
      std::move(call),
      [&shard, plugin = std::move(plugin), decide = std::move(decide)](
          const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(shard::Decision decision, decide(shard.tenancy(), state, context));
        TRV_TRY_ASSIGN(shard::Decision workflows, workflows_after(shard, state, context, plugin, decision));
        std::ranges::move(workflows.events, std::back_inserter(decision.events));
        return decision;
      },
      std::move(then));
}

}  // namespace trv::gateway
