#include "kernel/daemon/plugin_services.hpp"

#include <memory>
#include <utility>

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

/// One request, in the shard of its tenant.
struct Serve {
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
};

}  // namespace

plugin_host::ServeRequest plugin_services(node::Node& node) {
  return [&node](const ServiceCall& call, ServiceDone done) {
    TRV_EXPECTS(!call.tenant.empty() && !call.plugin.empty());
    const auto shard = node.shard_of(call.tenant);
    if (!shard) return done(base::fail(shard.error()));
    std::visit(Serve{.shard = **shard, .call = call, .done = std::move(done)}, call.request);
  };
}

}  // namespace trv::daemon
