// What tenants grant plugins: at enabling, at upgrading, later, and what is withdrawn.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "events/record/payload.hpp"
#include "events/schema/plugin_generated.h"
#include "kernel/tenancy/testing/plugins_fixture.hpp"

namespace trv::tenancy {
namespace {

using package::Permission;
using testing::HasSubstr;

std::vector<Permission> permissions(const std::vector<std::string>& texts) {
  auto parsed = package::parse_permissions(texts);
  EXPECT_TRUE(parsed);
  return parsed.value_or(std::vector<Permission>());
}

class PluginPermissionsTest : public PluginsFixture {
 protected:
  static EnablePlugin asking(const std::string& text, const std::vector<std::string>& asked) {
    EnablePlugin enable = version(text);
    enable.asked = permissions(asked);
    return enable;
  }
  static EnablePlugin granting(const std::string& text, const std::vector<std::string>& asked,
                               const std::vector<std::string>& granted) {
    EnablePlugin enable = asking(text, asked);
    enable.granted = permissions(granted);
    return enable;
  }
  static EnablePlugin silent(const std::string& text) {
    EnablePlugin enable = asking(text, {"http", "webhooks"});
    enable.says_so = false;
    return enable;
  }
  static ChangePermissions change(const std::vector<std::string>& asked, const std::vector<std::string>& grant,
                                  const std::vector<std::string>& withdraw) {
    return {"tracker", permissions(grant), permissions(withdraw), permissions(asked)};
  }
  std::string granted(const std::string& tenant = "acme") {
    auto txn = env_->begin_read();
    if (!txn) return txn.error().message();
    const auto found = store_.permissions(*txn, base::TenantId(tenant), "tracker");
    if (!found) return found.error().message();
    return fmt::format("{}", fmt::join(package::texts_of(*found), " "));
  }
};

TEST_F(PluginPermissionsTest, what_asks_is_enabled_with_the_tenants_word_only) {
  EXPECT_THAT(
      refusal(asking("1.0.0", {"http:a.com", "kv"})),
      HasSubstr("asks for what tenant 'acme' has not granted: http:a.com, kv. For this tenant nothing was changed"));
  EXPECT_EQ(called(""), "none");
  {
    auto txn = env_->begin_read();
    ASSERT_TRUE(txn);
    const base::TenantId acme("acme");
    EXPECT_FALSE(check_consent(store_, *txn, acme, asking("1.0.0", {"kv"}))) << "before its code runs, too";
    EXPECT_TRUE(check_consent(store_, *txn, acme, granting("1.0.0", {"kv"}, {"kv"})));
  }
  must(granting("1.0.0", {"http:a.com", "kv"}, {"http:a.com", "kv"}));
  EXPECT_EQ(granted(), "http:a.com kv");
  EXPECT_EQ(granted("beta"), "");
  EXPECT_EQ(run(asking("1.0.0", {"http:a.com", "kv"})).value_or(9), 0U) << "again";
}

TEST_F(PluginPermissionsTest, a_tenant_may_grant_less_and_not_what_is_not_asked_for) {
  EXPECT_THAT(refusal(granting("1.0.0", {"http:a.com"}, {"http"})),
              HasSubstr("'http' cannot be granted: plugin 'tracker' may ask for http:a.com"));
  must(granting("1.0.0", {"http:a.com", "kv"}, {"http-read:a.com/v1/*"}));
  EXPECT_EQ(granted(), "http-read:a.com/v1/*");
}

TEST_F(PluginPermissionsTest, what_asks_for_nothing_needs_nothing) {
  must(asking("1.0.0", {}));
  EXPECT_EQ(granted(), "");
}

TEST_F(PluginPermissionsTest, an_upgrade_that_asks_for_the_same_or_less_is_not_asked_about) {
  must(granting("1.0.0", {"http:*.a.com", "kv"}, {"http:*.a.com", "kv"}));
  must(UpgradePlugin{asking("1.1.0", {"http-read:b.a.com"})});
  EXPECT_EQ(called(""), "1.1.0");
  EXPECT_EQ(granted(), "http:*.a.com kv") << "1.0.0 is enabled still";
}

TEST_F(PluginPermissionsTest, an_upgrade_that_asks_for_more_waits_for_consent) {
  must(granting("1.0.0", {"kv"}, {"kv"}));
  EXPECT_THAT(refusal(UpgradePlugin{asking("1.1.0", {"kv", "secrets"})}),
              HasSubstr("has not granted: secrets. For this tenant nothing was changed"));
  EXPECT_EQ(called(""), "1.0.0");
  EXPECT_EQ(called("1.1.0"), "none");
  must(UpgradePlugin{granting("1.1.0", {"kv", "secrets"}, {"kv", "secrets"})});
  EXPECT_EQ(called(""), "1.1.0");
  EXPECT_EQ(granted(), "kv secrets");
}

TEST_F(PluginPermissionsTest, so_does_one_to_a_version_that_is_enabled_beside) {
  must(granting("1.0.0", {"kv"}, {"kv"}));
  must(granting("1.1.0", {"kv", "secrets"}, {}));
  EXPECT_EQ(granted(), "kv");
  EXPECT_THAT(refusal(UpgradePlugin{asking("1.1.0", {"kv", "secrets"})}), HasSubstr("secrets"));
  EXPECT_EQ(run(UpgradePlugin{granting("1.1.0", {"kv", "secrets"}, {"secrets"})}).value_or(9), 2U);
  EXPECT_EQ(called(""), "1.1.0");
  EXPECT_EQ(granted(), "kv secrets");
}

TEST_F(PluginPermissionsTest, a_manifest_that_does_not_say_has_what_plugins_had_at_its_first_enabling_only) {
  must(silent("1.0.0"));
  EXPECT_EQ(granted(), "http webhooks");
  must(silent("1.1.0"));
  must(change({"http", "webhooks"}, {}, {"http"}));
  EXPECT_EQ(granted(), "webhooks");
  EXPECT_THAT(refusal(silent("1.2.0")), HasSubstr("has not granted: http."));
}

TEST_F(PluginPermissionsTest, to_stop_saying_does_not_get_an_upgrade_more) {
  must(granting("1.0.0", {"http:a.com"}, {"http:a.com"}));
  EXPECT_THAT(refusal(UpgradePlugin{silent("1.1.0")}), HasSubstr("has not granted: http, webhooks."));
}

TEST_F(PluginPermissionsTest, what_is_withdrawn_goes_with_all_that_it_includes_and_is_recorded) {
  const std::vector<std::string> asked = {"http:a.com", "http:b.com", "kv"};
  must(granting("1.0.0", asked, asked));
  must(change(asked, {}, {"http"}));
  EXPECT_EQ(granted(), "kv");
  EXPECT_THAT(refusal(change(asked, {}, {"http"})), HasSubstr("'http' is not granted to plugin 'tracker'; it has kv"));
  must(change(asked, {"http:a.com"}, {"kv"}));
  EXPECT_EQ(granted(), "http:a.com");
  EXPECT_EQ(run(change(asked, {"http:a.com"}, {})).value_or(9), 0U) << "again";
  EXPECT_THAT(refusal(change(asked, {}, {"http-read:a.com"})),
              HasSubstr("'http-read:a.com' is a part of 'http:a.com', which is granted: withdraw that"));
  EXPECT_THAT(refusal(change(asked, {"secrets"}, {})), HasSubstr("'secrets' cannot be granted"));
}

TEST_F(PluginPermissionsTest, a_wider_permission_takes_the_place_of_narrower_ones) {
  must(granting("1.0.0", {"http"}, {"http:a.com", "http-read:b.com"}));
  must(change({"http"}, {"http"}, {}));
  EXPECT_EQ(granted(), "http");
}

TEST_F(PluginPermissionsTest, what_was_granted_is_over_with_the_last_version) {
  must(granting("1.0.0", {"kv"}, {"kv"}));
  must(granting("1.1.0", {"kv"}, {}));
  must(DisablePlugin{"tracker", "1.0.0"});
  EXPECT_EQ(granted(), "kv");
  must(DisablePlugin{"tracker", "1.1.0"});
  EXPECT_EQ(granted(), "");
  EXPECT_THAT(refusal(asking("1.1.0", {"kv"})), HasSubstr("kv"));
  must(granting("1.1.0", {"kv"}, {"kv"}));
  must(DisablePlugin{"tracker"});
  EXPECT_EQ(granted(), "");
  EXPECT_THAT(refusal(change({"kv"}, {"kv"}, {})), HasSubstr("is not enabled for tenant 'acme'"));
}

TEST_F(PluginPermissionsTest, a_record_from_before_permits_what_plugins_could_do_then) {
  {
    auto txn = env_->begin_write();
    ASSERT_TRUE(txn);
    ASSERT_TRUE(apply(*txn, enabled_before("1.0.0", true)));
    ASSERT_TRUE(txn->commit());
  }
  EXPECT_EQ(granted(), "http webhooks");
  EXPECT_EQ(run(silent("1.0.0")).value_or(9), 0U);
  must(silent("1.1.0"));
  EXPECT_EQ(granted(), "http webhooks");
  EXPECT_THAT(refusal(asking("1.2.0", {"http", "kv"})), HasSubstr("has not granted: kv."));
  must(granting("1.2.0", {"http", "kv"}, {"kv"}));
  EXPECT_EQ(granted(), "http webhooks kv") << "1.0.0 loses nothing by it";
}

TEST_F(PluginPermissionsTest, an_older_record_that_replaces_what_was_enabled_replaces_what_was_granted) {
  must(granting("2.0.0", {"kv"}, {"kv"}));
  auto txn = env_->begin_write();
  ASSERT_TRUE(txn);
  ASSERT_TRUE(apply(*txn, enabled_before("1.0.0", false)));
  ASSERT_TRUE(txn->commit());
  EXPECT_EQ(granted(), "http webhooks");
}

}  // namespace
}  // namespace trv::tenancy
