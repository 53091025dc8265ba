// Which versions of a plugin a tenant may call, which of them is the current one, and how they are configured.

#include "kernel/tenancy/testing/plugins_fixture.hpp"

namespace trv::tenancy {
namespace {

class PluginsOfTenantTest : public PluginsFixture {};

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
  ASSERT_TRUE(apply(*txn, enabled_before("2.0.0", false)));
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
  const auto quarantines = [this](std::size_t rows_max) {
    const auto read = env_->begin_read();
    return store_.quarantines(*read, rows_max).value();
  };
  ASSERT_EQ(quarantines(10).size(), 1U);
  EXPECT_EQ(quarantines(10)[0].plugin, "tracker");
  EXPECT_EQ(quarantines(10)[0].version, "1.1.0");
  EXPECT_EQ(quarantines(10)[0].since, all->at(1).quarantine->since);
  EXPECT_TRUE(quarantines(0).empty());
  must(ReleasePlugin{"tracker"});
  EXPECT_TRUE(quarantines(10).empty());
  // What may not be called any more is in no quarantine that matters.
  must(NoteCrash{"tracker", "1.1.0", "it crashed", true});
  ASSERT_EQ(quarantines(10).size(), 1U);
  must(DisablePlugin{"tracker"});
  EXPECT_TRUE(quarantines(10).empty());
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
