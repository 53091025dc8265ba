#pragma once
// A projection of tenants, and commands about plugins whose events it applies.

#include <string>

#include "events/record/payload.hpp"
#include "events/schema/plugin_generated.h"
#include "kernel/tenancy/plugin_decisions.hpp"
#include "kernel/tenancy/testing/store_fixture.hpp"

namespace trv::tenancy {

class PluginsFixture : public StoreFixture<TenancyStore> {
 protected:
  /// How many events it led to.
  template <typename Command>
  base::Result<std::size_t> run(const Command& command, const std::string& tenant = "acme") {
    return decided(
        [&](const lmdb::Txn& txn, shard::DecisionContext& context) { return decide(store_, txn, context, command); },
        tenant, "kernel");
  }
  template <typename Command>
  void must(const Command& command, const std::string& tenant = "acme") {
    const auto done = run(command, tenant);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_GT(*done, 0U);
  }
  template <typename Command>
  std::string refusal(const Command& command, const std::string& tenant = "acme") {
    const auto done = run(command, tenant);
    return done ? "nothing was refused" : done.error().message();
  }
  static EnablePlugin version(const std::string& text) { return {"tracker", text, base::Digest{1}}; }

  /// The version that a call of this one goes to; "none" where it goes nowhere.
  std::string called(std::string_view wanted, const std::string& tenant = "acme") {
    auto txn = env_->begin_read();
    if (!txn) return txn.error().message();
    const auto grant = store_.grant(*txn, base::TenantId(tenant), "tracker", wanted);
    if (!grant) return grant.error().message();
    return *grant ? (*grant)->version : "none";
  }
  std::string configuration(std::string_view of) {
    auto txn = env_->begin_read();
    if (!txn) return txn.error().message();
    const auto found = store_.configuration(*txn, base::TenantId("acme"), "tracker", of);
    if (!found) return found.error().message();
    return *found ? (*found)->json : "none";
  }

  /// trv.plugin.enabled as it was recorded before there were permissions.
  record::Draft enabled_before(const std::string& version, bool beside) {
    shard::DecisionContext context{base::TenantId("acme"), "kernel", base::Timestamp(1'000), ids_, std::nullopt,
                                   std::nullopt,           ""};
    flatbuffers::FlatBufferBuilder builder;
    const auto plugin = builder.CreateString("tracker");
    const auto text = builder.CreateString(version);
    const auto root = schema::plugin::CreatePluginEnabled(builder, plugin, text, 0, beside);
    return shard::draft(context, "plugin", "tracker", "trv.plugin.enabled", record::finish(builder, root));
  }
};

}  // namespace trv::tenancy
