#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "kernel/gateway/instance_search.hpp"
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
/// Of each text of an error in a list.
constexpr std::size_t error_text_bytes_max = 300;
/// Of the input and of the output of one step in a list of steps.
constexpr std::size_t step_data_bytes_max = 16 * 1024;

json::Value workflow_of(const definition::Name& name) {
  return {{"namespace", name.space}, {"name", name.name}, {"version", name.version}};
}

json::Value to_object(const InstanceSummary& summary) {
  const bool ended = summary.status == instance::Status::completed || summary.status == instance::Status::faulted ||
                     summary.status == instance::Status::cancelled;
  json::Value correlation = json::Value::object();
  for (const std::string_view one : summary.names.correlation) {
    const std::size_t equals = std::min(one.find('='), one.size());
    correlation.set(one.substr(0, equals), json::Value(one.substr(std::min(equals + 1, one.size()))));
  }
  json::Value not_compensated = json::Value::array();
  for (const std::string& task : summary.not_compensated) not_compensated.push_back(json::Value(task));
  return {{"id", summary.id.to_string()},
          {"workflow", workflow_of(summary.definition)},
          {"status", instance::to_string(summary.status)},
          {"started", summary.started.to_rfc3339()},
          {"ended", ended ? json::Value(summary.updated.to_rfc3339()) : json::Value()},
          {"trigger", shown_trigger(summary.trigger)},
          {"key", summary.names.key.empty() ? json::Value() : json::Value(summary.names.key)},
          {"correlation", std::move(correlation)},
          {"not_compensated", std::move(not_compensated)},
          {"steps", summary.steps}};
}

/// With the error in a few words; all of it is in the detail.
json::Value listed(const InstanceSummary& summary) {
  json::Value object = to_object(summary);
  const auto error = json::parse(summary.error);
  if (summary.error.empty() || !error || !error->is_object()) {
    object.set("error", json::Value());
    return object;
  }
  json::Value few = json::Value::object();
  for (const std::string_view name : {"type", "title", "detail", "instance"}) {
    const json::Value* member = error->find(name);
    if (member == nullptr || !member->is_string()) continue;
    few.set(name, json::Value(base::utf8_prefix(member->as_string(), error_text_bytes_max)));
  }
  if (const json::Value* status = error->find("status")) few.set("status", *status);
  object.set("error", std::move(few));
  return object;
}

/// Without the rest of a character that was cut at the front, and one that is not whole yet.
std::string_view whole_characters(std::string_view text) {
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; };
  while (!text.empty() && continues(text.front())) text.remove_prefix(1);
  std::size_t last = text.size();
  while (last > 0 && text.size() - last < 3 && continues(text[last - 1])) --last;
  if (last > 0 && static_cast<unsigned char>(text[last - 1]) >= 0xC0U &&
      base::character_bytes(text.substr(last - 1)) == 0) {
    text = text.substr(0, last - 1);
  }
  return text;
}

/// What the plugins say of the calls that it waits for.
json::Value progress_of(const plugin_host::PluginHost& plugins, const base::TenantId& tenant,
                        const InstanceDetail& detail) {
  json::Value all = json::Value::array();
  for (const shard::EffectPlace& effect : detail.waits_for) {
    const auto said = plugins.progress(tenant, effect.key);
    if (!said) continue;
    all.push_back({{"effect", shard::effect_id(effect.key)},
                   {"fraction", said->fraction ? json::Value(*said->fraction) : json::Value()},
                   {"text", said->text},
                   {"time", said->time.to_rfc3339()},
                   {"streamed", base::to_valid_utf8(whole_characters(said->streamed))},
                   {"streamed_bytes", said->streamed_bytes}});
  }
  return all;
}

/// The parts of those calls, and how long they took.
json::Value spans_of(const plugin_host::PluginHost& plugins, const base::TenantId& tenant,
                     const InstanceDetail& detail) {
  json::Value all = json::Value::array();
  for (const shard::EffectPlace& effect : detail.waits_for) {
    for (const plugin_host::Span& span : plugins.spans(tenant, effect.key)) {
      json::Value attributes = json::Value::object();
      for (const auto& [name, value] : span.attributes) attributes.set(name, value);
      all.push_back({{"effect", shard::effect_id(effect.key)},
                     {"span", span.id},
                     {"parent", span.parent},
                     {"name", span.name},
                     {"time", span.time.to_rfc3339()},
                     {"took_ms", span.took ? json::Value(std::chrono::duration<double, std::milli>(*span.took).count())
                                           : json::Value()},
                     {"attributes", std::move(attributes)}});
    }
  }
  return all;
}

std::string to_json(const InstanceDetail& detail, const std::vector<shard::ParkedEffect>& parked, json::Value progress,
                    json::Value spans) {
  json::Value object = to_object(detail.summary);
  json::Value effects = json::Value::array();
  for (const shard::ParkedEffect& one : parked) effects.push_back(parked_object(one));
  object.set("parked_effects", std::move(effects));
  object.set("progress", std::move(progress));
  object.set("spans", std::move(spans));
  object.set("current_task", detail.summary.current_task);
  object.set("due", detail.due ? json::Value(detail.due->to_rfc3339()) : json::Value());
  return json::serialize_with(
      object,
      {{"input", detail.input}, {"output", detail.output}, {"error", detail.error}, {"context", detail.context}});
}

std::string to_json(const Call& call, const InstanceStep& step) {
  json::Value object = {{"position", node::position_text(call.tenant, step.shard, step.lsn)},
                        {"id", step.id.to_string()},
                        {"time", step.time.to_rfc3339()},
                        {"event", step.type},
                        {"task", step.task},
                        {"reference", step.reference},
                        {"kind", step.kind},
                        {"operation", step.operation},
                        {"outcome", step.outcome},
                        {"duration_ms", std::chrono::duration_cast<std::chrono::milliseconds>(step.duration).count()},
                        {"attempt", step.attempt},
                        {"tries", step.tries},
                        {"actor", step.actor.empty() ? json::Value() : json::Value(step.actor)},
                        {"reason", step.actor.empty() ? json::Value() : json::Value(step.reason)}};
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
  } else if (start.key != known.key) {
    other = "key";
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
  if (const auto key = request.query("key")) {
    TRV_TRY(check_key("key", *key));
    start.key = *key;
  }
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

base::Status show(const plugin_host::PluginHost& plugins, Call& call) {
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
  return call.send(http::json_text(
      200, to_json(*found, parked, progress_of(plugins, call.tenant, *found), spans_of(plugins, call.tenant, *found))));
}

base::Status list(const node::Node& node, Call& call) {
  TRV_TRY_ASSIGN(const Page page, page_of(call.request()));
  TRV_TRY_ASSIGN(const instance::Search search,
                 search_of(node, [&call](std::string_view name) { return call.request().query(name); }));
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  const instance::InstanceStore store(call.shard.workflows());
  TRV_TRY_ASSIGN(const auto found, store.list(txn, call.tenant, search, page.after, page.limit));
  return call.send(
      list_response(found.items, page, found.next, [](const InstanceSummary& one) { return listed(one); }));
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

void add_instance_routes(http::Router& router, const node::Node& node, const plugin_host::PluginHost& plugins) {
  const auto instances = [&node](const Handle& handle) { return guarded(node, Resource::instances, handle); };
  router.route("POST", "/v1/tenants/{tenant}/workflows/{namespace}/{name}/instances", instances(start));
  router.route("GET", "/v1/tenants/{tenant}/instances", instances([&node](Call& call) { return list(node, call); }),
               {.may_wait = true});
  router.route("GET", "/v1/tenants/{tenant}/instances/{id}",
               instances([&plugins](Call& call) { return show(plugins, call); }));
  router.route("GET", "/v1/tenants/{tenant}/instances/{id}/tasks", instances(tasks), {.may_wait = true});
}

}  // namespace trv::gateway
