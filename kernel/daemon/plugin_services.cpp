#include "kernel/daemon/plugin_services.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "kernel/egress/signature.hpp"
#include "kernel/gateway/receive.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/plugin_host/named_secrets.hpp"
#include "kernel/tenancy/plugin_data.hpp"
#include "sdk/base/contract.hpp"

namespace trv::daemon {
namespace {

using plugin_host::ServiceAnswer;
using plugin_host::ServiceCall;
using plugin_host::ServiceDone;
using plugin_host::StoredValues;

static_assert(plugin_host::any_revision == tenancy::any_revision);

/// A change that a call of a plugin asks for.
shard::Command command_of(const ServiceCall& call) {
  shard::Command command;
  command.tenant = call.tenant;
  command.actor = "plugin:" + call.plugin;
  command.traceparent = call.traceparent;
  return command;
}

/// Whether the tenant's configuration of the plugin gives this name in a field that the manifest marks as a secret.
base::Status check_named(const node::Node& node, const node::Shard& shard, const ServiceCall& call,
                         const std::string& secret) {
  TRV_TRY_ASSIGN(const auto txn, shard.begin_read());
  TRV_TRY_ASSIGN(const auto set, shard.tenancy().configuration(txn, call.tenant, call.plugin, call.version));
  TRV_TRY_ASSIGN(const auto installed, node.platform().begin_read());
  TRV_TRY_ASSIGN(const auto package, node.platform().tenancy().package(installed, call.plugin, call.version));
  if (set && package) {
    TRV_TRY_ASSIGN(const json::Value manifest, json::parse(package->manifest));
    TRV_TRY_ASSIGN(const json::Value configuration, json::parse(set->json));
    const json::Value* schema = manifest.find("configuration");
    if (schema != nullptr) {
      const auto named = plugin_host::named_secrets(*schema, configuration);
      if (std::ranges::find(named, secret, &plugin_host::NamedSecret::name) != named.end()) return {};
    }
  }
  return base::fail(base::ErrorCode::denied,
                    fmt::format("the configuration of plugin '{}' {} in tenant '{}' names no secret '{}'; its author "
                                "marks the field with \"secret\": true, and the tenant sets it: trav plugin configure "
                                "{} --set FIELD=NAME",
                                call.plugin, call.version, call.tenant.value(), secret, call.plugin));
}

/// The signature of a call, by a secret that nobody but this function sees.
base::Result<ServiceAnswer> signed_by(const ServiceSources& sources, const node::Shard& shard, const ServiceCall& call,
                                      const plugin_host::SignData& sign) {
  TRV_TRY(check_named(sources.node, shard, call, sign.secret));
  TRV_TRY_ASSIGN(const egress::Connection connection, sources.connections.find(call.tenant, sign.secret));
  const std::string& reference = connection.authentication.secret_reference;
  if ((!connection.plugin.empty() && connection.plugin != call.plugin) || reference.empty()) {
    return base::fail(base::ErrorCode::denied,
                      fmt::format("connection '{}' has no secret that plugin '{}' may use", sign.secret, call.plugin));
  }
  TRV_TRY_ASSIGN(const std::string secret, sources.secrets.reveal(call.tenant, reference));
  auto made = egress::sign(sign.kind, secret, sign.data);
  if (!made) return base::fail(std::move(made).error().in(fmt::format("secret '{}'", sign.secret)));
  sources.logger->info("plugin {} {} (tenant {}, {}) signed {} bytes by the secret '{}'", call.plugin, call.version,
                       call.tenant.value(), call.key, sign.data.size(), sign.secret);
  return plugin_host::Signature{*std::move(made)};
}

/// One request, in the shard of its tenant.
struct Serve {
  const ServiceSources& sources;
  node::Shard& shard;
  const ServiceCall& call;
  ServiceDone done;

  void operator()(const plugin_host::GetValue& get) {
    done([&]() -> base::Result<ServiceAnswer> {
      TRV_TRY_ASSIGN(const auto txn, shard.begin_read());
      TRV_TRY_ASSIGN(auto found, shard.plugin_data().get(txn, call.tenant, call.plugin, get.key));
      StoredValues values;
      if (found) values.entries.push_back({std::move(found->key), std::move(found->value), found->revision});
      return values;
    }());
  }

  void operator()(const plugin_host::ListValues& list) {
    done([&]() -> base::Result<ServiceAnswer> {
      TRV_TRY_ASSIGN(const auto txn, shard.begin_read());
      TRV_TRY_ASSIGN(auto page, shard.plugin_data().list(txn, call.tenant, call.plugin, list.prefix, list.after,
                                                         list.count_max, plugin_host::store_answer_bytes_max));
      StoredValues values{.entries = {}, .has_more = page.has_more};
      for (tenancy::PluginDatum& one : page.entries) {
        values.entries.push_back({std::move(one.key), std::move(one.value), one.revision});
      }
      return values;
    }());
  }

  void operator()(const plugin_host::PutValue& put) {
    const auto revision = std::make_shared<std::uint64_t>(0);
    shard::Command command = command_of(call);
    command.decide = [&data = shard.plugin_data(), revision,
                      put = tenancy::PutPluginData{call.plugin, put.key, put.value, put.expected, call.key}](
                         const lmdb::Txn& state, shard::DecisionContext& context) {
      return tenancy::decide(data, state, context, put, *revision);
    };
    command.done = [revision, key = put.key,
                    done = std::move(done)](const base::Result<shard::Applied>& applied) mutable {
      if (!applied) return done(base::fail(applied.error()));
      done(StoredValues{.entries = {{.key = key, .value = {}, .revision = *revision}}});
    };
    shard.submit(std::move(command));
  }

  void operator()(const plugin_host::SignData& sign) { done(signed_by(sources, shard, call, sign)); }

  void operator()(const plugin_host::EmitEvent& event) {
    gateway::emit_plugin_event(shard, call, event, [done = std::move(done)](base::Result<std::string> id) mutable {
      if (!id) return done(base::fail(std::move(id).error()));
      done(plugin_host::EmittedEvent{*std::move(id)});
    });
  }

  void operator()(const plugin_host::EraseValue& erase) {
    shard::Command command = command_of(call);
    command.frees_room = true;
    command.decide = [&data = shard.plugin_data(),
                      erase = tenancy::ErasePluginData{call.plugin, erase.key, erase.expected, call.key}](
                         const lmdb::Txn& state, shard::DecisionContext& context) {
      return tenancy::decide(data, state, context, erase);
    };
    command.done = [done = std::move(done)](const base::Result<shard::Applied>& applied) mutable {
      if (!applied) return done(base::fail(applied.error()));
      done(StoredValues{});
    };
    shard.submit(std::move(command));
  }

  template <typename OfBlobs>
  void operator()(const OfBlobs& /*request*/) {
    TRV_ASSERT(plugin_host::service_of(call.request) != plugin_host::Service::blob);
  }
};

}  // namespace

plugin_host::ServeRequest plugin_services(ServiceSources sources) {
  return [sources = std::move(sources)](ServiceCall call, ServiceDone done) {
    TRV_EXPECTS(!call.tenant.empty() && !call.plugin.empty());
    const auto shard = sources.node.shard_of(call.tenant);
    if (!shard) return done(base::fail(shard.error()));
    if (plugin_host::service_of(call.request) == plugin_host::Service::blob) {
      return serve_blob(sources.blobs, **shard, std::move(call), std::move(done));
    }
    std::visit(Serve{.sources = sources, .shard = **shard, .call = call, .done = std::move(done)}, call.request);
  };
}

}  // namespace trv::daemon
