// What operators do to instances: cancel, suspend, resume, signal, migrate, retry, skip.

#include <fmt/format.h>

#include <memory>

#include "kernel/gateway/body.hpp"
#include "kernel/gateway/instance_commands.hpp"
#include "kernel/gateway/instances.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/actions.hpp"

namespace trv::gateway {
namespace {

using instance::Acted;
using instance::InstanceId;

/// The body may be left out.
base::Result<Body> body_of(const Call& call, std::initializer_list<std::string_view> known) {
  const std::string_view text = call.request().body();
  return Body::parse(text.empty() ? "{}" : text, known);
}

/// Whether something is done or only decided, to see what it would come to.
enum class Run : std::uint8_t { real, dry };

base::Result<Run> run_of(const Body& body) {
  TRV_TRY_ASSIGN(const bool is_dry, body.flag("dry_run"));
  return is_dry ? Run::dry : Run::real;
}

/// Answers {"id", "status", "dry_run"}.
template <typename Decide>
base::Status act(Call&& call, const InstanceId& id, Run run, const Decide& decide) {
  const auto status = std::make_shared<instance::Status>();
  return submit(
      std::move(call),
      [decide, status, run](const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(Acted acted, decide(state, context));
        *status = acted.status;
        if (run == Run::dry) return shard::Decision{};
        return std::move(acted.decision);
      },
      [id, status, run](const shard::Applied&) {
        return http::json(
            200, {{"id", id.to_string()}, {"status", instance::to_string(*status)}, {"dry_run", run == Run::dry}});
      });
}

template <typename Action>
base::Status act(Call& call, const Body& body, Action action) {
  TRV_TRY_ASSIGN(const InstanceId id, instance_of(call.request()));
  TRV_TRY_ASSIGN(const std::string reason, reason_of(body));
  TRV_TRY_ASSIGN(const Run run, run_of(body));
  node::Shard& shard = call.shard;
  return act(std::move(call), id, run,
             [&shard, id, action, reason](const lmdb::Txn& state, shard::DecisionContext& context) {
               const std::string why = reason.empty() ? "asked for by " + context.actor : reason;
               return action(state, context, shard.decision_state(), id, why);
             });
}

template <typename Action>
auto does(Action action) {
  return [action](Call& call) -> base::Status {
    TRV_TRY_ASSIGN(const Body body, body_of(call, {"reason", "dry_run"}));
    return act(call, body, action);
  };
}

base::Status cancels(Call& call) {
  TRV_TRY_ASSIGN(const Body body, body_of(call, {"reason", "compensate", "dry_run"}));
  const auto compensates = body.optional_value("compensate");
  if (compensates && !compensates->is_bool()) {
    return fail(ErrorCode::invalid,
                fmt::format("compensate must be true or false, not {}", json::to_string(compensates->kind())));
  }
  const bool undoes = compensates && compensates->as_bool();
  return act(call, body, undoes ? instance::cancel_and_compensate : instance::cancel);
}

/// With `input`, of the task that is about to begin.
base::Status resume(Call& call) {
  TRV_TRY_ASSIGN(const InstanceId id, instance_of(call.request()));
  TRV_TRY_ASSIGN(const Body body, body_of(call, {"reason", "input", "dry_run"}));
  TRV_TRY_ASSIGN(const std::string reason, reason_of(body));
  TRV_TRY_ASSIGN(const Run run, run_of(body));
  node::Shard& shard = call.shard;
  return act(std::move(call), id, run,
             [&shard, id, reason, input = body.optional_value("input")](const lmdb::Txn& state,
                                                                        shard::DecisionContext& context) {
               const std::string why = reason.empty() ? "asked for by " + context.actor : reason;
               return instance::resume_with(state, context, shard.decision_state(), id, why, input);
             });
}

/// A CloudEvent for one instance: `type` and `data`, and what else an event can have.
base::Status signal(Call& call) {
  TRV_TRY_ASSIGN(const InstanceId id, instance_of(call.request()));
  TRV_TRY_ASSIGN(const Body body, body_of(call, {"type", "data", "id", "source", "subject", "reason", "dry_run"}));
  TRV_TRY_ASSIGN(instance::ReceivedEvent event, signal_of(body));
  if (event.source.empty()) event.source = source_of_signal(id);
  TRV_TRY_ASSIGN(const std::string reason, reason_of(body));
  TRV_TRY_ASSIGN(const Run run, run_of(body));
  const auto signalled = std::make_shared<instance::Signalled>();
  const auto sent = std::make_shared<std::string>();
  node::Shard& shard = call.shard;
  return submit(
      std::move(call),
      [&shard, id, event, reason, signalled, sent, run](
          const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        instance::ReceivedEvent one = event;
        if (one.id.empty()) one.id = context.ids.next(context.now).to_string();
        one.time = context.now;
        *sent = one.id;
        const std::string why = reason.empty() ? "asked for by " + context.actor : reason;
        TRV_TRY_ASSIGN(*signalled, instance::signal(state, context, shard.decision_state(), id, one, why));
        if (run == Run::dry) return shard::Decision{};
        return std::move(signalled->decision);
      },
      [id, signalled, sent, run](const Change&) {
        json::Value heard = json::Value::array();
        for (const std::string& task : signalled->heard) heard.push_back(json::Value(task));
        return http::json(200, {{"id", id.to_string()},
                                {"status", instance::to_string(signalled->status)},
                                {"dry_run", run == Run::dry},
                                {"event", *sent},
                                {"heard", std::move(heard)}});
      });
}

base::Status migrate(Call& call) {
  TRV_TRY_ASSIGN(const InstanceId id, instance_of(call.request()));
  TRV_TRY_ASSIGN(const Body body, Body::parse(call.request().body(), {"version", "map", "dry_run", "reason"}));
  instance::Migrate command;
  TRV_TRY_ASSIGN(command.version, body.text("version"));
  TRV_TRY_ASSIGN(command.mapping, mapping_of(body));
  TRV_TRY_ASSIGN(command.is_dry_run, body.flag("dry_run"));
  TRV_TRY_ASSIGN(command.reason, reason_of(body));
  if (command.version.empty()) return fail(ErrorCode::invalid, "version is empty; say which version is meant");
  const auto migrated = std::make_shared<instance::Migrated>();
  node::Shard& shard = call.shard;
  const bool is_dry_run = command.is_dry_run;
  return submit(
      std::move(call),
      [&shard, id, command, migrated](const lmdb::Txn& state,
                                      shard::DecisionContext& context) -> base::Result<shard::Decision> {
        instance::Migrate why = command;
        if (why.reason.empty()) why.reason = "asked for by " + context.actor;
        TRV_TRY_ASSIGN(*migrated, instance::migrate(state, context, shard.decision_state(), id, why));
        return std::move(migrated->decision);
      },
      [id, migrated, is_dry_run](const Change&) {
        json::Value tasks = json::Value::array();
        for (const instance::MappedTask& one : migrated->tasks) {
          tasks.push_back(json::Value{{"branch", one.branch}, {"from", one.from}, {"to", one.to}, {"kind", one.kind}});
        }
        json::Value problems = json::Value::array();
        for (const std::string& one : migrated->problems) problems.push_back(json::Value(one));
        return http::json(200, {{"id", id.to_string()},
                                {"status", instance::to_string(migrated->status)},
                                {"from", migrated->from},
                                {"to", migrated->to},
                                {"dry_run", is_dry_run},
                                {"tasks", std::move(tasks)},
                                {"problems", std::move(problems)}});
      });
}

/// The instance's past is read before the command is decided, which then looks whether something came since.
base::Status go_on(Call& call, bool skips) {
  const std::string_view data = skips ? "output" : "input";
  TRV_TRY_ASSIGN(const InstanceId id, instance_of(call.request()));
  TRV_TRY_ASSIGN(const Body body, body_of(call, {"reason", "version", "dry_run", data}));
  TRV_TRY_ASSIGN(const Run run, run_of(body));
  TRV_TRY_ASSIGN(std::string reason, reason_of(body));
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
  return act(std::move(call), id, run,
             [&shard, id, past, command](const lmdb::Txn& state, shard::DecisionContext& context) {
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
  router.route("POST", at("resume"), instances(resume));
  router.route("POST", at("signal"), instances(signal));
  router.route("POST", at("migrate"), instances(migrate));
  router.route("POST", at("retry"), instances([](Call& call) { return go_on(call, false); }), {.may_wait = true});
  router.route("POST", at("skip"), instances([](Call& call) { return go_on(call, true); }), {.may_wait = true});
}

}  // namespace trv::gateway
