// A plugin's life after it was installed: configured, upgraded under load, rolled back, replaced, uninstalled.

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/api/plugin_fixture.hpp"

namespace trv::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* configured =
    R"("configuration":{"type":"object","required":["region"],"additionalProperties":false,"properties":{
        "region":{"type":"string","enum":["eu","us"]},"key":{"type":"string","secret":true}}},)";

class PluginLifeTest : public PluginFixture {
 protected:
  /// Version 1.3.0-dev.
  void install_dev(const std::string& more = "") {
    const Answer installed = install(tracker_package("good_dev", 1, std::string::npos, "1.3.0-dev", more));
    ASSERT_EQ(installed.status, 201) << installed.body;
  }
  Answer upgrade(const std::string& version) {
    return call("POST", "/tracker/upgrade", fmt::format(R"({{"version":"{}"}})", version));
  }
  std::size_t files_of_packages() {
    std::size_t files = 0;
    for (const char* folder : {"plugins", "packages"}) {
      for (const auto& file : std::filesystem::recursive_directory_iterator(daemon_->data() / folder)) {
        files += file.is_regular_file() ? 1 : 0;
      }
    }
    return files;
  }
};

TEST_F(PluginLifeTest, a_configuration_is_held_against_the_schema_recorded_and_given_to_the_plugin) {
  install_dev(configured);
  ASSERT_TRUE(is_enabled("1.3.0-dev"));
  const std::string path = "/tracker/configuration";
  EXPECT_EQ(call("GET", path).status, 404);
  EXPECT_THAT(outcome_of("1.3.0-dev"), HasSubstr("trav plugin configure tracker --set"));
  // All that is wrong at once, and nothing of it.
  const Answer refused = call("PUT", path, R"({"region":"mars","other":"hunter2"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.text("detail"), AllOf(HasSubstr("/region"), HasSubstr("other"), Not(HasSubstr("hunter2"))));
  const Answer no_secret = call("PUT", path, R"({"region":"eu","key":"sk-live-1"})");
  EXPECT_EQ(no_secret.status, 400);
  EXPECT_THAT(no_secret.text("detail"),
              AllOf(HasSubstr("/key"), HasSubstr("trav connection set"), Not(HasSubstr("sk-live"))));
  EXPECT_EQ(call("PUT", path, "[]").status, 400);
  const Answer set = call("PUT", path, R"({"region":"eu"})");
  ASSERT_EQ(set.status, 200) << set.body;
  EXPECT_THAT(outcome_of("1.3.0-dev"), HasSubstr(R"("configuration":{"region":"eu"})"));
  ASSERT_EQ(call("PUT", path, R"({"region":"us"})").status, 200);
  EXPECT_THAT(outcome_of("1.3.0-dev"), HasSubstr(R"("region":"us")"));
  EXPECT_THAT(call("GET", path).body, HasSubstr(R"("configuration":{"region":"us"})"));

  // The name of a connection that has a secret, and nothing of the secret.
  const Answer connection =
      ask(*daemon_, acme_, "PUT", "/v1/tenants/acme/connections/vault",
          R"({"plugin":"tracker","base_url":"http://h","auth":{"scheme":"bearer"},"secret":"s3cr3t"})",
          {{"Content-Type", "application/json"}});
  ASSERT_EQ(connection.status, 200) << connection.body;
  ASSERT_EQ(call("PUT", path, R"({"region":"us","key":"vault"})").status, 200);
  EXPECT_THAT(outcome_of("1.3.0-dev"), AllOf(HasSubstr(R"("key":"vault")"), Not(HasSubstr("s3cr3t"))));
  EXPECT_THAT(ask(*daemon_, acme_, "GET", "/v1/tenants/acme/events?limit=500").body,
              HasSubstr("trv.plugin.configured"));

  // It outlives travd.
  ASSERT_EQ(daemon_->stop(), 0);
  auto started = Daemon::start(scratch_);
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  EXPECT_THAT(outcome_of("1.3.0-dev"), HasSubstr(R"("key":"vault")"));
  EXPECT_EQ(call("DELETE", path).status, 204);
  EXPECT_EQ(call("GET", path).status, 404);
}

TEST_F(PluginLifeTest, an_upgrade_under_load_loses_no_call_and_a_rollback_leads_back) {
  ASSERT_TRUE(is_enabled("1.2.3"));
  install_dev();
  std::atomic<bool> is_over = false;
  std::atomic<int> begun = 0;
  constexpr std::size_t at_once = 8;
  std::vector<std::string> instances;
  std::thread load([&] {
    const std::string text =
        "do:\n  - slow:\n      call: tracker.too-late:1@default\n  - ask:\n      call: tracker.about:1@default\n";
    for (int i = 0; !is_over; ++i) {
      // The plugin has a thread for each slow call, and its process may have 32.
      if (instances.size() >= at_once) (void)ended(instances[instances.size() - at_once]);
      instances.push_back(begin_workflow(*daemon_, acme_, fmt::format("load-{}", i), text));
      ++begun;
    }
  });
  // Long enough for the second call of those that began before.
  const auto go_on = [&] { return eventually([&, enough = begun + 15] { return begun >= enough; }); };
  const auto seen = [&](const std::string& version) { return version_called("1") == version; };
  EXPECT_TRUE(seen("1.2.3"));
  EXPECT_TRUE(go_on());
  const Answer upgraded = upgrade("1.3.0-dev");
  EXPECT_EQ(upgraded.status, 200) << upgraded.body;
  EXPECT_TRUE(seen("1.3.0-dev"));
  EXPECT_TRUE(go_on());
  EXPECT_EQ(version_called("1.2.3"), "1.2.3");
  const Answer back = call("POST", "/tracker/rollback");
  EXPECT_EQ(back.status, 200) << back.body;
  EXPECT_EQ(back.text("version"), "1.2.3");
  EXPECT_TRUE(seen("1.2.3"));
  EXPECT_EQ(call("POST", "/tracker/rollback").status, 409);
  EXPECT_TRUE(go_on());
  is_over = true;
  load.join();
  std::set<std::string> versions;
  for (const std::string& id : instances) {
    const std::string output = ended(id);
    const auto value = json::parse(output);
    const auto* version = value.as_object().if_contains("version");
    ASSERT_NE(version, nullptr) << output;
    versions.insert(std::string(version->as_string()));
  }
  EXPECT_THAT(versions, testing::ElementsAre("1.2.3", "1.3.0-dev"));
}

TEST_F(PluginLifeTest, what_is_counted_in_memory_goes_with_upgrade_and_rollback_under_load) {
  for (const char* version : {"4.1.0", "4.2.0"}) {
    const Answer installed = install(counter_package(version));
    ASSERT_EQ(installed.status, 201) << installed.body;
  }
  ASSERT_TRUE(is_enabled("4.1.0"));
  std::atomic<bool> is_over = false;
  std::vector<std::string> instances;
  std::thread load([&] {
    const std::string text = "do:\n  - one:\n      call: tracker.count:4@default\n";
    for (int i = 0; !is_over; ++i) {
      instances.push_back(begin_workflow(*daemon_, acme_, fmt::format("count-{}", i), text));
    }
  });
  for (int i = 0; i < 3; ++i) {
    const Answer upgraded = upgrade("4.2.0");
    EXPECT_EQ(upgraded.status, 200) << upgraded.body;
    const Answer back = call("POST", "/tracker/rollback");
    EXPECT_EQ(back.status, 200) << back.body;
  }
  is_over = true;
  load.join();
  std::set<std::string> counted;
  for (const std::string& id : instances) counted.insert(ended(id));
  EXPECT_EQ(counted.size(), instances.size()) << "each has a number of its own";
  const std::string after =
      ended(begin_workflow(*daemon_, acme_, "after", "do:\n  - one:\n      call: tracker.count:4@default\n"));
  EXPECT_EQ(after, std::to_string(instances.size() + 1));
  EXPECT_TRUE(eventually([&] {
    const std::string numbers = ask(*daemon_, "", "GET", "/metrics").body;
    constexpr const char* counter =
        R"(travertine_plugin_counter_total{plugin="tracker",version="4.1.0",name="counted",kind="plain"})";
    constexpr const char* observed =
        R"(travertine_plugin_histogram_bucket{plugin="tracker",version="4.1.0",name="seconds",le="0.25"})";
    return numbers.find(counter) != std::string::npos && numbers.find(observed) != std::string::npos;
  })) << ask(*daemon_, "", "GET", "/metrics").body;
  EXPECT_EQ(call("POST", "/tracker/upgrade?state=burn", R"({"version":"4.2.0"})").status, 400);
  EXPECT_EQ(call("POST", "/tracker/upgrade?state=discard", R"({"version":"4.2.0"})").status, 200);
}

TEST_F(PluginLifeTest, how_far_a_call_is_can_be_seen_with_its_instance) {
  ASSERT_EQ(install(counter_package("4.1.0")).status, 201);
  ASSERT_TRUE(is_enabled("4.1.0"));
  const std::string id =
      begin_workflow(*daemon_, acme_, "holds", "do:\n  - one:\n      call: tracker.hold:4@default\n");
  const std::string path = "/v1/tenants/acme/instances/" + id;
  const auto said = [&] { return ask(*daemon_, acme_, "GET", path).body; };
  EXPECT_TRUE(eventually([&] { return said().find(R"("fraction":0.25)") != std::string::npos; })) << said();
  EXPECT_THAT(said(), HasSubstr(R"("text":"a quarter\\n")"));
  EXPECT_TRUE(eventually([&] { return said().find(R"("name":"copy")") != std::string::npos; })) << said();
  EXPECT_THAT(said(), HasSubstr(R"("took_ms":null,"attributes":{"page":"a \"1\""})"));
  EXPECT_EQ(ask(*daemon_, acme_, "POST", path + "/cancel", "{}", {{"Content-Type", "application/json"}}).status, 200);
  EXPECT_TRUE(eventually([&] { return said().find(R"("progress":[],"spans":[])") != std::string::npos; })) << said();
}

TEST_F(PluginLifeTest, a_version_that_does_not_start_is_not_upgraded_to) {
  ASSERT_TRUE(is_enabled("1.2.3"));
  install_dev(configured);
  const Answer refused = upgrade("1.3.0-dev");
  EXPECT_EQ(refused.status, 409) << refused.body;
  EXPECT_THAT(refused.text("detail"), AllOf(HasSubstr("nothing was changed"), HasSubstr("region")));
  EXPECT_EQ(version_called("1"), "1.2.3");
  EXPECT_EQ(upgrade("7.0.0").status, 404);
  ASSERT_EQ(call("PUT", "/tracker/configuration?version=1.3.0-dev", R"({"region":"eu"})").status, 200);
  const Answer upgraded = upgrade("1.3.0-dev");
  ASSERT_EQ(upgraded.status, 200) << upgraded.body;
  EXPECT_EQ(version_called("1"), "1.3.0-dev");
}

TEST_F(PluginLifeTest, a_version_in_the_making_is_replaced_by_installing_it_again) {
  install_dev(R"("configuration":{"type":"object","title":"first"},)");
  ASSERT_TRUE(is_enabled("1.3.0-dev"));
  EXPECT_EQ(version_called("1.3.0-dev"), "1.3.0-dev");
  const std::string slow =
      begin_workflow(*daemon_, acme_, "slow", "do:\n  - slow:\n      call: tracker.too-late:1.3.0-dev@default\n");
  install_dev(R"("configuration":{"type":"object","title":"second"},)");
  EXPECT_EQ(version_called("1.3.0-dev"), "1.3.0-dev");
  EXPECT_THAT(ended(slow), HasSubstr("too late"));
  EXPECT_THAT(as_operator("GET", "/v1/plugins/tracker/1.3.0-dev").body, HasSubstr("second"));
  // Archive and library of each version, and nothing of what was replaced.
  EXPECT_TRUE(eventually([&] { return files_of_packages() == 6; })) << files_of_packages();
}

TEST_F(PluginLifeTest, a_version_is_uninstalled_where_no_tenant_has_it_enabled) {
  ASSERT_TRUE(is_enabled("2.0.0"));
  EXPECT_EQ(version_called("2.0.0"), "2.0.0");
  const Answer refused = as_operator("DELETE", "/v1/plugins/tracker/2.0.0");
  EXPECT_EQ(refused.status, 409);
  EXPECT_THAT(refused.text("detail"),
              AllOf(HasSubstr("enabled for 1 tenant: acme"), HasSubstr("trav plugin disable tracker 2.0.0")));
  EXPECT_EQ(ask(*daemon_, acme_, "DELETE", "/v1/plugins/tracker/2.0.0").status, 403);
  ASSERT_EQ(call("DELETE", "/tracker?version=2.0.0").status, 204);
  EXPECT_EQ(as_operator("DELETE", "/v1/plugins/tracker/2.0.0").status, 204);
  EXPECT_EQ(as_operator("DELETE", "/v1/plugins/tracker/2.0.0").status, 404);
  EXPECT_TRUE(eventually([&] { return files_of_packages() == 2; })) << files_of_packages();
  EXPECT_EQ(enable("2.0.0").status, 404);
  // The same one can come again.
  ASSERT_EQ(install(tracker_package("good_2", 1, std::string::npos, "2.0.0")).status, 201);
  ASSERT_TRUE(is_enabled("2.0.0"));
  EXPECT_EQ(version_called("2.0.0"), "2.0.0");
  EXPECT_THAT(ask(*daemon_, daemon_->operator_token(), "GET", "/v1/tenants/system/events?limit=500").body,
              HasSubstr("trv.plugin.uninstalled"));
}

}  // namespace
}  // namespace trv::api
