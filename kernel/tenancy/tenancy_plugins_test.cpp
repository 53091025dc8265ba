// Which versions of a plugin a tenant may call, which of them is the current one, and how they are configured.

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
namespace {

class PluginsOfTenantTest : public testing::Test {
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

  std::filesystem::path folder_;
  std::optional<lmdb::Env> env_;
  TenancyStore store_;
  base::SystemRandom random_;
  base::UuidSource ids_{random_};
  record::RecordEncoder encoder_;
  std::uint64_t lsn_ = 0;
};

TEST_F(PluginsOfTenantTest, versions_are_enabled_beside_each_other_and_the_first_is_the_current_one) {
  EXPECT_EQ(called(""), "none");
  must(version("1.9.0"));
  must(version("1.10.0"));
  must(version("2.0.0-rc.1"));
  EXPECT_EQ(run(version("1.10.0")).value_or(9), 0U) << "again";
  EXPECT_EQ(called(""), "1.9.0");
  EXPECT_EQ(called("1.10.0"), "1.10.0");
  EXPECT_EQ(called("1.11.0"), "none");
  EXPECT_EQ(called("", "beta"), "none");
}

TEST_F(PluginsOfTenantTest, a_line_leads_to_the_current_version_of_it_or_else_to_the_highest_release) {
  must(version("1.9.0"));
  must(version("1.10.0"));
  must(version("2.0.0"));
  must(version("2.1.0-rc.1"));
  EXPECT_EQ(called("1"), "1.9.0");
  EXPECT_EQ(called("1.10"), "1.10.0");
  EXPECT_EQ(called("2"), "2.0.0");
  EXPECT_EQ(called("2.1"), "none") << "a version before a release is called only where it is named or current";
  must(UpgradePlugin{version("2.1.0-rc.1")});
  EXPECT_EQ(called("2"), "2.1.0-rc.1");
  EXPECT_EQ(called("1"), "1.10.0");
}

TEST_F(PluginsOfTenantTest, an_upgrade_is_rolled_back_to_where_it_came_from) {
  EXPECT_EQ(refusal(UpgradePlugin{version("1.1.0")}), "plugin 'tracker' is not enabled for tenant 'acme'");
  must(version("1.0.0"));
  EXPECT_NE(refusal(RollBackPlugin{"tracker"}).find("was not upgraded"), std::string::npos);
  must(UpgradePlugin{version("1.1.0")});
  EXPECT_EQ(run(UpgradePlugin{version("1.1.0")}).value_or(9), 0U) << "again";
  EXPECT_EQ(called("1"), "1.1.0");
  EXPECT_EQ(called("1.0.0"), "1.0.0") << "it stays enabled";
  must(RollBackPlugin{"tracker"});
  EXPECT_EQ(called("1"), "1.0.0");
  EXPECT_NE(refusal(RollBackPlugin{"tracker"}).find("was not upgraded"), std::string::npos);
}

TEST_F(PluginsOfTenantTest, where_the_current_version_is_disabled_the_one_before_it_is_current_or_else_the_highest) {
  for (const char* each : {"1.0.0", "1.1.0", "1.2.0"}) must(version(each));
  must(UpgradePlugin{version("1.1.0")});
  must(DisablePlugin{"tracker", "1.1.0"});
  EXPECT_EQ(called(""), "1.0.0");
  must(DisablePlugin{"tracker", "1.0.0"});
  EXPECT_EQ(called(""), "1.2.0");
  EXPECT_EQ(refusal(DisablePlugin{"tracker", "1.0.0"}),
            "version '1.0.0' of plugin 'tracker' is not enabled for tenant 'acme'; it has 1.2.0");
  must(DisablePlugin{"tracker", ""});
  EXPECT_EQ(called(""), "none");
}

TEST_F(PluginsOfTenantTest, a_rollback_does_not_lead_to_a_version_that_was_disabled) {
  must(version("1.0.0"));
  must(UpgradePlugin{version("1.1.0")});
  must(DisablePlugin{"tracker", "1.0.0"});
  EXPECT_EQ(called(""), "1.1.0");
  EXPECT_NE(refusal(RollBackPlugin{"tracker"}).find("was not upgraded"), std::string::npos);
}

// As versions before side by side wrote it.
TEST_F(PluginsOfTenantTest, an_older_record_replaces_the_version_that_was_enabled) {
  must(version("1.0.0"));
  auto txn = env_->begin_write();
  ASSERT_TRUE(txn);
  shard::DecisionContext context{base::TenantId("acme"), "kernel", base::Timestamp(1'000), ids_, std::nullopt,
                                 std::nullopt,           ""};
  flatbuffers::FlatBufferBuilder builder;
  const auto plugin = builder.CreateString("tracker");
  const auto text = builder.CreateString("2.0.0");
  const auto root = schema::plugin::CreatePluginEnabled(builder, plugin, text);
  ASSERT_TRUE(
      apply(*txn, shard::draft(context, "plugin", "tracker", "trv.plugin.enabled", record::finish(builder, root))));
  ASSERT_TRUE(txn->commit());
  EXPECT_EQ(called("1.0.0"), "none");
  EXPECT_EQ(called(""), "2.0.0");
}

TEST_F(PluginsOfTenantTest, a_version_has_the_configuration_of_its_own_or_else_that_of_the_plugin) {
  EXPECT_EQ(configuration("1.0.0"), "none");
  must(ConfigurePlugin{"tracker", "", R"({"a":1})"});
  must(ConfigurePlugin{"tracker", "2.0.0", R"({"a":2})"});
  EXPECT_EQ(run(ConfigurePlugin{"tracker", "", R"({"a":1})"}).value_or(9), 0U) << "again";
  EXPECT_EQ(configuration("1.0.0"), R"({"a":1})");
  EXPECT_EQ(configuration("2.0.0"), R"({"a":2})");
  // The same as the plugin's is still its own: the plugin's may change.
  must(ConfigurePlugin{"tracker", "2.0.0", R"({"a":1})"});
  must(ConfigurePlugin{"tracker", "", R"({"a":3})"});
  EXPECT_EQ(configuration("2.0.0"), R"({"a":1})");
  must(ConfigurePlugin{"tracker", "2.0.0", std::nullopt});
  EXPECT_EQ(configuration("2.0.0"), R"({"a":3})");
  EXPECT_EQ(run(ConfigurePlugin{"tracker", "2.0.0", std::nullopt}).value_or(9), 0U) << "there is none of its own";
  must(ConfigurePlugin{"tracker", "", std::nullopt});
  EXPECT_EQ(configuration("2.0.0"), "none");
}

TEST_F(PluginsOfTenantTest, a_quarantine_is_of_a_version_and_a_release_of_all) {
  must(version("1.0.0"));
  must(version("1.1.0"));
  EXPECT_EQ(refusal(ReleasePlugin{"tracker"}), "plugin 'tracker' is not in quarantine for tenant 'acme'");
  must(NoteCrash{"tracker", "1.1.0", "it crashed", true});
  auto txn = env_->begin_read();
  ASSERT_TRUE(txn);
  const auto all = store_.versions(*txn, base::TenantId("acme"), "tracker");
  ASSERT_TRUE(all && all->size() == 2);
  EXPECT_FALSE(all->at(0).quarantine);
  EXPECT_TRUE(all->at(1).quarantine);
  must(ReleasePlugin{"tracker"});
}

TEST_F(PluginsOfTenantTest, a_version_in_the_making_is_replaced_and_a_release_is_not) {
  const auto request = [](const std::string& text, std::uint8_t digest) {
    Package package;
    package.plugin = "tracker";
    package.version = text;
    package.package_sha256 = base::Digest{digest};
    package.manifest = "{}";
    return RequestPackage{package, true};
  };
  for (const char* each : {"1.0.0", "1.1.0-dev", "1.1.0-dev.2"}) {
    must(request(each, 1), "system");
    EXPECT_NE(refusal(request(each, 2), "system").find("is pending with other content"), std::string::npos);
    must(SettlePackage{"tracker", each, base::Digest{1}, std::nullopt}, "system");
    EXPECT_EQ(run(request(each, 1), "system").value_or(9), 0U) << "again";
  }
  EXPECT_NE(refusal(request("1.0.0", 2), "system").find("is loaded with other content"), std::string::npos);
  must(request("1.1.0-dev", 2), "system");
  must(request("1.1.0-dev.2", 2), "system");
}

TEST_F(PluginsOfTenantTest, what_is_enabled_is_not_uninstalled) {
  Package package;
  package.plugin = "tracker";
  package.version = "1.0.0";
  package.package_sha256 = base::Digest{1};
  package.manifest = "{}";
  EXPECT_NE(refusal(UninstallPackage{"tracker", "1.0.0"}, "system").find("is not installed"), std::string::npos);
  must(RequestPackage{package, true}, "system");
  EXPECT_NE(refusal(UninstallPackage{"tracker", "1.0.0"}, "system").find("is being installed"), std::string::npos);
  must(SettlePackage{"tracker", "1.0.0", base::Digest{1}, std::nullopt}, "system");
  EXPECT_NE(refusal(UninstallPackage{"tracker", "1.0.0", {"acme", "beta"}}, "system")
                .find("is enabled for 2 tenants: acme, beta; disable it there first"),
            std::string::npos);
  must(UninstallPackage{"tracker", "1.0.0"}, "system");
  EXPECT_NE(refusal(UninstallPackage{"tracker", "1.0.0"}, "system").find("is not installed"), std::string::npos);
}

}  // namespace
}  // namespace trv::tenancy
