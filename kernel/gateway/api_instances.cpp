#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "kernel/gateway/instances.hpp"
#include "kernel/gateway/list.hpp"
#include "kernel/gateway/receive.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/node/position.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using instance::InstanceDetail;
using instance::InstanceStep;
using instance::InstanceSummary;

constexpr std::size_t idempotency_key_bytes_max = 200;
/// Of the input and of the output of one step in a list of steps.
constexpr std::size_t step_data_bytes_max = 16 * 1024;

json::Value workflow_of(const definition::Name& name) {
  return {{"namespace", name.space}, {"name", name.name}, {"version", name.version}};
}

json::Value to_object(const InstanceSummary& summary) {
  const bool ended = summary.status == instance::Status::completed || summary.status == instance::Status::faulted ||
                     summary.status == instance::Status::cancelled;
  return {{"id", summary.id.to_string()},
          {"workflow", workflow_of(summary.definition)},
          {"status", instance::to_string(summary.status)},
          {"started", summary.started.to_rfc3339()},
          {"ended", ended ? json::Value(summary.updated.to_rfc3339()) : json::Value()},
          {"trigger", summary.trigger},
          {"steps", summary.steps}};
}

std::string to_json(const InstanceDetail& detail, const std::vector<shard::ParkedEffect>& parked) {
  json::Value object = to_object(detail.summary);
  json::Value effects = json::Value::array();
  for (const shard::ParkedEffect& one : parked) effects.push_back(parked_object(one));
  object.set("parked_effects", std::move(effects));
  object.set("current_task", detail.summary.current_task);
  object.set("due", detail.due ? json::Value(detail.due->to_rfc3339()) : json::Value());
  return json::serialize_with(
      object,
      {{"input", detail.input}, {"output", detail.output}, {"error", detail.error}, {"context", detail.context}});
}

std::string to_json(const Call& call, const InstanceStep& step) {
  json::Value object = {{"position", node::position_text(call.tenant, step.shard, step.lsn)},
                        {"time", step.time.to_rfc3339()},
                        {"event", step.type},
                        {"task", step.task},
                        {"reference", step.reference},
                        {"kind", step.kind},
                        {"operation", step.operation},
                        {"outcome", step.outcome},
                        {"duration_ms", std::chrono::duration_cast<std::chrono::milliseconds>(step.duration).count()},
                        {"attempt", step.attempt},
                        {"tries", step.tries}};
  // One that is too long for a list is left out; its event has it.
  const bool is_long = step.input.size() > step_data_bytes_max || step.output.size() > step_data_bytes_max;
  object.set("data_left_out", is_long);
  return json::serialize_with(object, {{"input", step.input.size() > step_data_bytes_max ? "" : step.input},
                                       {"output", step.output.size() > step_data_bytes_max ? "" : step.output},
                                       {"error", step.error}});
}

/// A key means one request. One that names no version asks for whichever the instance has.
base::Status check_same_request(const node::Shard& shard, const lmdb::Txn& state, const base::TenantId& tenant,
                                std::string_view key, const instance::Start& start, const json::Value& input,
                                const instance::Started& known) {
  const definition::Name& name = known.definition;
  std::string_view other;
  if (start.space != name.space || start.name != name.name) {
    other = "workflow";
  } else if (!start.version.empty() && start.version != name.version) {
    other = "version";
  } else {
    const instance::InstanceStore store(shard.workflows());
    TRV_TRY_ASSIGN(const json::Value had, store.input(state, tenant, known.instance));
    if (had == input) return {};
    other = "input";
  }
  return base::fail(base::ErrorCode::conflict,
                    fmt::format("Idempotency-Key '{}' belongs to the instance {} of {}/{}:{}, and this request has "
                                "another {}; give another request another key",
                                key, known.instance.to_string(), name.space, name.name, name.version, other));
}

base::Result<json::Value> parse_input(std::string_view text) {
  if (text.empty()) return json::Value::object();
  return json::parse(text, {.duplicate_keys = json::DuplicateKeys::refused});
}

base::Status start(Call& call) {
  const http::Request& request = call.request();
  if (request.query("version") == "") return fail(ErrorCode::invalid, "version is empty; leave it out for the newest");
  instance::Start start{.space = std::string(request.parameter("namespace")),
                        .name = std::string(request.parameter("name")),
                        .version = std::string(request.query("version").value_or("")),
                        .input = std::string(request.body()),
                        .trigger = "api"};
  auto input = parse_input(start.input);
  if (!input) return fail(std::move(input).error().in("input"));
  const std::string idempotency_key(request.header("Idempotency-Key").value_or(""));
  if (request.header("Idempotency-Key")) {
    const std::size_t bytes = idempotency_key.size();
    if (bytes == 0 || bytes > idempotency_key_bytes_max || !base::is_utf8(idempotency_key)) {
      return fail(ErrorCode::invalid, fmt::format("Idempotency-Key has {} bytes; it must be 1 to {} bytes of UTF-8",
                                                  bytes, idempotency_key_bytes_max));
    }
    start.trigger = fmt::format("{}{}", instance::start_key_trigger, idempotency_key);
  }
  auto started = std::make_shared<instance::Started>();
  node::Shard& shard = call.shard;
  const base::TenantId tenant = call.tenant;
  return submit(
      std::move(call),
      [&shard, start, started, key = idempotency_key, input = *std::move(input)](
          const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
        TRV_TRY_ASSIGN(*started, instance::start(state, context, shard.decision_state(), start));
        if (started->existed) {
          TRV_TRY(check_same_request(shard, state, context.tenant, key, start, input, *started));
        }
        return std::move(started->decision);
      },
      [started, tenant, &shard](const Change& change) {
        const std::string position =
            node::position_text(tenant, shard.id(), started->existed ? change.last : change.first);
        return http::json(started->existed ? 200 : 201, {{"id", started->instance.to_string()},
                                                         {"workflow", workflow_of(started->definition)},
                                                         {"status", instance::to_string(started->status)},
                                                         {"existed", started->existed},
                                                         {"position", position}});
      });
}

base::Status show(Call& call) {
  TRV_TRY_ASSIGN(const instance::InstanceId id, instance_of(call.request()));
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  const instance::InstanceStore store(call.shard.workflows());
  TRV_TRY_ASSIGN(const auto records, records_of(call, txn));
  TRV_TRY_ASSIGN(const auto found, store.find(txn, call.tenant, id, records));
  if (!found) return fail(no_instance(id.to_string()));
  std::vector<shard::ParkedEffect> parked;
  for (const shard::EffectPlace& effect : found->waits_for) {
    TRV_TRY_ASSIGN(auto one, call.shard.outbox().find_parked(txn, call.tenant, shard::effect_id(effect.key)));
    if (one) parked.push_back(*std::move(one));
  }
  return call.send(http::json_text(200, to_json(*found, parked)));
}

base::Result<std::optional<instance::Status>> status_filter(const http::Request& request) {
  using instance::Status;
  const auto text = request.query("status");
  if (!text) return std::nullopt;
  for (const Status status : {Status::running, Status::completed, Status::faulted, Status::cancelled, Status::suspended,
                              Status::compensating}) {
    if (*text == instance::to_string(status)) return status;
  }
  return base::fail(
      base::ErrorCode::invalid,
      fmt::format("status '{}' is not known; use running, suspended, compensating, completed, faulted or cancelled",
                  text->substr(0, 40)));
}

/// Whether a document can have this as its namespace or name.
bool is_name(std::string_view text) {
  const auto character = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, character);
}

/// ?workflow=NAMESPACE/NAME, both as a document can have them.
base::Result<std::optional<std::string>> workflow_filter(const http::Request& request) {
  const auto text = request.query("workflow");
  if (!text) return std::nullopt;
  const std::size_t slash = text->find('/');
  const bool pair =
      slash != std::string_view::npos && is_name(text->substr(0, slash)) && is_name(text->substr(slash + 1));
  if (pair) return std::string(*text);
  return base::fail(
      base::ErrorCode::invalid,
      fmt::format("workflow '{}' is not a NAMESPACE/NAME, for example demo/hello", base::utf8_prefix(*text, 80)));
}

base::Status list(Call& call) {
  TRV_TRY_ASSIGN(const Page page, page_of(call.request()));
  TRV_TRY_ASSIGN(const auto status, status_filter(call.request()));
  TRV_TRY_ASSIGN(const auto workflow, workflow_filter(call.request()));
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  const instance::InstanceStore store(call.shard.workflows());
  TRV_TRY_ASSIGN(auto found, store.list(txn, call.tenant, status, page.after, page.limit));
  if (workflow) {
    std::erase_if(found.items, [&](const InstanceSummary& one) {
      return *workflow != fmt::format("{}/{}", one.definition.space, one.definition.name);
    });
  }
  return call.send(
      list_response(found.items, page, found.next, [](const InstanceSummary& one) { return to_object(one); }));
}

base::Status tasks(Call& call) {
  TRV_TRY_ASSIGN(const instance::InstanceId id, instance_of(call.request()));
  TRV_TRY_ASSIGN(const Page page, page_of(call.request()));
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  const instance::InstanceStore store(call.shard.workflows());
  TRV_TRY_ASSIGN(const auto records, records_of(call, txn));
  TRV_TRY_ASSIGN(const auto steps, store.timeline(txn, call.tenant, id, page.after, page.limit, records));
  return call.send(
      list_response(steps.items, page, steps.next, [&call](const InstanceStep& one) { return to_json(call, one); }));
}

}  // namespace

void add_instance_routes(http::Router& router, const node::Node& node) {
  const auto instances = [&node](const Handle& handle) { return guarded(node, Resource::instances, handle); };
  router.route("POST", "/v1/tenants/{tenant}/workflows/{namespace}/{name}/instances", instances(start));
  router.route("GET", "/v1/tenants/{tenant}/instances", instances(list), {.may_wait = true});
  router.route("GET", "/v1/tenants/{tenant}/instances/{id}", instances(show));
  router.route("GET", "/v1/tenants/{tenant}/instances/{id}/tasks", instances(tasks), {.may_wait = true});
}

}  // namespace trv::gateway
