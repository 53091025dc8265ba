// How a tenant's workflows are, for who looks after them: one page, and the same for programs.

#include <fmt/format.h>

#include <array>

#include "kernel/gateway/access.hpp"
#include "kernel/gateway/page_file.hpp"
#include "kernel/gateway/routes.hpp"
#include "kernel/gateway/status_tenant_html.h"
#include "kernel/gateway/status_tenant_js.h"
#include "kernel/json/parse.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using instance::InstanceSummary;

/// A number that says so many says: or more.
constexpr std::size_t counted_max = 1'000;
constexpr std::size_t faulted_shown = 10;
constexpr std::size_t parked_shown = 50;
constexpr std::size_t pending_counted = 100;  ///< with their inputs in memory
constexpr std::size_t plugins_shown = 200;
constexpr std::size_t workflows_looked_at = 500;
constexpr std::size_t error_bytes_max = 300;

/// Those that have a mark, so that no others are looked at.
constexpr std::array<instance::Status, 4> statuses = {instance::Status::running, instance::Status::suspended,
                                                      instance::Status::compensating, instance::Status::faulted};

std::string in_words(const InstanceSummary& summary) {
  const auto error = json::parse(summary.error);
  if (!error || !error->is_object()) return {};
  std::string words;
  for (const std::string_view name : {"title", "detail"}) {
    const json::Value* member = error->find(name);
    if (member == nullptr || !member->is_string()) continue;
    if (!words.empty()) words += ": ";
    words += member->as_string();
  }
  return std::string(base::utf8_prefix(words, error_bytes_max));
}

base::Result<json::Value> instances_of(const Call& call, const lmdb::Txn& txn, json::Value& faulted) {
  const instance::InstanceStore store(call.shard.workflows());
  json::Value counts = json::Value::object();
  for (const instance::Status status : statuses) {
    TRV_TRY_ASSIGN(const auto page, store.list(txn, call.tenant, {.status = status}, "", counted_max));
    counts.set(instance::to_string(status), json::Value(page.items.size()));
    if (status != instance::Status::faulted) continue;
    for (const InstanceSummary& one : page.items) {
      if (faulted.size() == faulted_shown) break;
      faulted.push_back(
          {{"id", one.id.to_string()},
           {"workflow", fmt::format("{}/{}:{}", one.definition.space, one.definition.name, one.definition.version)},
           {"ended", one.updated.to_rfc3339()},
           {"error", in_words(one)}});
    }
  }
  return counts;
}

base::Status look_at_workflows(const Call& call, const lmdb::Txn& txn, json::Value& attention) {
  const instance::DefinitionStore store(call.shard.workflows());
  TRV_TRY_ASSIGN(const auto page, store.list(txn, call.tenant, "", workflows_looked_at));
  for (const instance::StoredDefinition& one : page.items) {
    const std::string name = fmt::format("{}/{}:{}", one.name.space, one.name.name, one.name.version);
    if (one.filter_failures.count > 0) {
      attention.push_back(fmt::format("Workflow {}: {} events did not start it because its filter failed", name,
                                      one.filter_failures.count));
    }
    if (one.disabled) attention.push_back(fmt::format("Workflow {}: disabled by {}", name, one.disabled->actor));
  }
  return {};
}

base::Result<json::Value> plugins_of(const Call& call, const lmdb::Txn& txn, json::Value& attention) {
  TRV_TRY_ASSIGN(const auto grants, call.shard.tenancy().grants(txn, call.tenant, "", plugins_shown));
  json::Value plugins = json::Value::array();
  for (const tenancy::Grant& grant : grants) {
    json::Value object = {{"id", grant.plugin}, {"version", grant.version}, {"current", grant.is_current}};
    if (grant.quarantine) {
      object.set("quarantine", {{"since", grant.quarantine->since.to_rfc3339()}, {"reason", grant.quarantine->reason}});
      attention.push_back(fmt::format("Plugin {} {} is in quarantine: trav plugin release {}", grant.plugin,
                                      grant.version, grant.plugin));
    }
    plugins.push_back(std::move(object));
  }
  return plugins;
}

base::Result<json::Value> status_of(const Call& call, base::Timestamp now) {
  TRV_TRY_ASSIGN(const auto txn, call.shard.begin_read());
  json::Value attention = json::Value::array();
  json::Value faulted = json::Value::array();
  TRV_TRY_ASSIGN(json::Value instances, instances_of(call, txn, faulted));
  TRV_TRY_ASSIGN(const auto pending, call.shard.outbox().pending(txn, call.tenant, record::Lsn(0), pending_counted));
  TRV_TRY_ASSIGN(const auto waiting, call.shard.outbox().parked(txn, call.tenant, "", parked_shown));
  json::Value parked = json::Value::array();
  for (const shard::ParkedEffect& one : waiting) parked.push_back(parked_object(one));
  if (!waiting.empty()) {
    attention.push_back(fmt::format("{}{} calls wait to be released: trav effect list", waiting.size(),
                                    waiting.size() == parked_shown ? " or more" : ""));
  }
  TRV_TRY_ASSIGN(json::Value plugins, plugins_of(call, txn, attention));
  TRV_TRY(look_at_workflows(call, txn, attention));
  return json::Value{
      {"tenant", call.tenant.value()},     {"time", now.to_rfc3339()},
      {"attention", std::move(attention)}, {"instances", std::move(instances)},
      {"faulted", std::move(faulted)},     {"effects", {{"pending", pending.size()}, {"parked", std::move(parked)}}},
      {"plugins", std::move(plugins)}};
}

}  // namespace

void add_tenant_status_routes(http::Router& router, const node::Node& node) {
  router.route("GET", "/v1/tenants/{tenant}/status", guarded(node, tenancy::Resource::instances, [](Call& call) {
                 return call.send(page_file("text/html; charset=utf-8", text_of(status_tenant_html)));
               }));
  router.route("GET", "/v1/tenants/{tenant}/status.json",
               guarded(node, tenancy::Resource::instances,
                       [&node](Call& call) -> base::Status {
                         TRV_TRY_ASSIGN(const json::Value status, status_of(call, node.now()));
                         return call.send(http::json(200, status).with("Cache-Control", "no-store"));
                       }),
               {.may_wait = true});
  add_page_file(router, "/status-tenant.js", "text/javascript; charset=utf-8", text_of(status_tenant_js));
}

}  // namespace trv::gateway
