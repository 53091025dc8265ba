// What operators do to instances: cancel, suspend, resume, retry, skip.

#include <fmt/format.h>

#include <memory>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/instances.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/workflow/instance/actions.hpp"

namespace trv::gateway {
namespace {

using instance::Acted;
using instance::InstanceId;

constexpr std::size_t reason_bytes_max = 1'000;

/// The body may be left out.
base::Result<Body> body_of(const Call& call, std::initializer_list<std::string_view> known) {
  const std::string_view text = call.request().body();
  return Body::parse(text.empty() ? "{}" : text, known);
}

/// Who asks is in the record; why is what they say. Error: too_large.
base::Result<std::string> reason_of(const Body& body, std::string_view otherwise) {
  TRV_TRY_ASSIGN(auto reason, body.optional_text("reason"));
  if (!reason) return std::string(otherwise);
  if (reason->size() <= reason_bytes_max) return *std::move(reason);
  return fail(ErrorCode::too_large,
              fmt::format("reason has {} bytes; at most {} are kept", reason->size(), reason_bytes_max));
}

/// Answers {"id", "status"}.
template <typename Decide>
base::Status act(Call&& call, const InstanceId& id, const Decide& decide) {
  const auto status = std::make_shared<instance::Status>();
  return submit(
      std::move(call),
      [decide, status](const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(Acted acted, decide(state, context));
        *status = acted.status;
        return std::move(acted.decision);
      },
      [id, status](const shard::Applied&) {
        return http::json(200, {{"id", id.to_string()}, {"status", instance::to_string(*status)}});
      });
}

template <typename Action>
base::Status act(Call& call, const Body& body, Action action) {
  TRV_TRY_ASSIGN(const InstanceId id, instance_of(call.request()));
  TRV_TRY_ASSIGN(const std::string reason, reason_of(body, ""));
  node::Shard& shard = call.shard;
  return act(std::move(call), id,
             [&shard, id, action, reason](const lmdb::Txn& state, shard::DecisionContext& context) {
               const std::string why = reason.empty() ? "asked for by " + context.actor : reason;
               return action(state, context, shard.decision_state(), id, why);
             });
}

template <typename Action>
auto does(Action action) {
  return [action](Call& call) -> base::Status {
    TRV_TRY_ASSIGN(const Body body, body_of(call, {"reason"}));
    return act(call, body, action);
  };
}

base::Status cancels(Call& call) {
  TRV_TRY_ASSIGN(const Body body, body_of(call, {"reason", "compensate"}));
  const auto compensates = body.optional_value("compensate");
  if (compensates && !compensates->is_bool()) {
    return fail(ErrorCode::invalid,
                fmt::format("compensate must be true or false, not {}", json::to_string(compensates->kind())));
  }
  const bool undoes = compensates && compensates->as_bool();
  return act(call, body, undoes ? instance::cancel_and_compensate : instance::cancel);
}

/// The instance's past is read before the command is decided, which then looks whether something came since.
base::Status go_on(Call& call, bool skips) {
  const std::string_view data = skips ? "output" : "input";
  TRV_TRY_ASSIGN(const InstanceId id, instance_of(call.request()));
  TRV_TRY_ASSIGN(const Body body, body_of(call, {"reason", "version", data}));
  TRV_TRY_ASSIGN(std::string reason, reason_of(body, ""));
  TRV_TRY_ASSIGN(auto version, body.optional_text("version"));
  instance::Retry command{.skips = skips,
                          .data = body.optional_value(data),
                          .version = std::move(version).value_or(""),
                          .reason = std::move(reason)};
  const auto past = std::make_shared<instance::Past>();
  {
    TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
    TRV_TRY_ASSIGN(const auto records, records_of(call, txn));
    TRV_TRY_ASSIGN(*past, instance::before_failure(txn, call.shard.workflows(), call.tenant, id, records));
  }
  node::Shard& shard = call.shard;
  return act(std::move(call), id, [&shard, id, past, command](const lmdb::Txn& state, shard::DecisionContext& context) {
    instance::Retry why = command;
    if (why.reason.empty()) why.reason = "asked for by " + context.actor;
    return instance::retry(state, context, shard.decision_state(), id, *past, why);
  });
}

}  // namespace

void add_instance_action_routes(http::Router& router, const node::Node& node) {
  const auto instances = [&node](const Handle& handle) { return guarded(node, Resource::instances, handle); };
  const auto at = [](std::string_view action) {
    return fmt::format("/v1/tenants/{{tenant}}/instances/{{id}}/{}", action);
  };
  router.route("POST", at("cancel"), instances(cancels));
  router.route("POST", at("suspend"), instances(does(instance::suspend)));
  router.route("POST", at("resume"), instances(does(instance::resume)));
  router.route("POST", at("retry"), instances([](Call& call) { return go_on(call, false); }), {.may_wait = true});
  router.route("POST", at("skip"), instances([](Call& call) { return go_on(call, true); }), {.may_wait = true});
}

}  // namespace trv::gateway
