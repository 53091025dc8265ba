#pragma once
// A projection of tenants, and commands about plugins whose events it applies.

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>

#include "events/lmdb/env.hpp"
#include "events/record/payload.hpp"
#include "events/record/record.hpp"
#include "events/schema/plugin_generated.h"
#include "kernel/tenancy/plugin_decisions.hpp"
#include "sdk/base/random.hpp"

namespace trv::tenancy {

class PluginsFixture : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "tenancyXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    auto env = lmdb::Env::open(folder_, {.map_bytes = std::uint64_t{1} << 24, .sync = lmdb::Sync::none});
    ASSERT_TRUE(env) << env.error().message();
    env_.emplace(*std::move(env));
    auto txn = env_->begin_write();
    ASSERT_TRUE(txn);
    ASSERT_TRUE(store_.open(*txn));
    ASSERT_TRUE(txn->commit());
  }
  void TearDown() override {
    env_.reset();
    std::filesystem::remove_all(folder_);
  }

  /// How many events it led to.
  template <typename Command>
  base::Result<std::size_t> run(const Command& command, const std::string& tenant = "acme") {
    TRV_TRY_ASSIGN(auto txn, env_->begin_write());
    shard::DecisionContext context{base::TenantId(tenant), "kernel", base::Timestamp(1'000), ids_, std::nullopt,
                                   std::nullopt,           ""};
    TRV_TRY_ASSIGN(const Decision decision, decide(store_, txn, context, command));
    for (const record::Draft& draft : decision.events) TRV_TRY(apply(txn, draft));
    TRV_TRY(txn.commit());
    return decision.events.size();
  }
  base::Status apply(lmdb::WriteTxn& txn, const record::Draft& draft) {
    TRV_TRY_ASSIGN(
        const record::RecordView record,
        encoder_.encode(draft, {.shard = record::ShardId(0), .lsn = record::Lsn(++lsn_), .epoch = record::Epoch(1)}));
    return store_.apply(txn, record);
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

  std::filesystem::path folder_;
  std::optional<lmdb::Env> env_;
  TenancyStore store_;
  base::SystemRandom random_;
  base::UuidSource ids_{random_};
  record::RecordEncoder encoder_;
  std::uint64_t lsn_ = 0;
};

}  // namespace trv::tenancy
