// What a plugin asks for is granted by its tenant or does not happen: at enabling, at upgrading under load, and later.

#include <gmock/gmock.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "tests/support/api/plugin_fixture.hpp"

namespace trv::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class PluginPermissionsTest : public PluginFixture {
 protected:
  void install_asking(const std::string& permissions) {
    const Answer installed = install(
        tracker_package("good_dev", 1, std::string::npos, "1.3.0-dev", R"("permissions":)" + permissions + ","));
    ASSERT_EQ(installed.status, 201) << installed.body;
  }
  Answer enable_granting(const std::string& version, const std::string& permissions) {
    return call("PUT", "/tracker", fmt::format(R"({{"version":"{}","permissions":{}}})", version, permissions));
  }
  Answer upgrade(const std::string& version, const std::string& permissions = "") {
    return call(
        "POST", "/tracker/upgrade",
        fmt::format(R"({{"version":"{}"{}}})", version, permissions.empty() ? "" : R"(,"permissions":)" + permissions));
  }
  Answer change(const std::string& body) { return call("POST", "/tracker/permissions", body); }
  std::string granted() {
    const Answer answer = call("GET", "/tracker/permissions");
    return answer.status == 200 ? json::serialize(answer.value().at("granted")) : answer.body;
  }
  void connect() {
    const Answer connection = ask(*daemon_, acme_, "PUT", "/v1/tenants/acme/connections/tracker",
                                  R"({"plugin":"tracker","base_url":"http://127.0.0.1:1","webhook_secret":"whsec"})",
                                  {{"Content-Type", "application/json"}});
    ASSERT_EQ(connection.status, 200) << connection.body;
  }
  Answer deliver() {
    const std::string body = R"({"action":"opened"})";
    return ask(*daemon_, "", "POST", "/v1/tenants/acme/webhooks/tracker/push", body,
               {{"Content-Type", "application/json"},
                {"X-Signature", signature_of(body, "whsec")},
                {"X-Delivery", fmt::format("d-{}", ++deliveries_)}});
  }

  int deliveries_ = 0;
};

TEST_F(PluginPermissionsTest, what_asks_is_enabled_with_the_tenants_word_which_is_recorded_and_shown) {
  install_asking(R"(["http:api.example.com","webhooks"])");
  const Answer shown = as_operator("GET", "/v1/plugins/tracker/1.3.0-dev");
  EXPECT_THAT(shown.body, HasSubstr(R"("permissions":["http:api.example.com","webhooks"])"));
  const Answer refused = enable("1.3.0-dev");
  EXPECT_EQ(refused.status, 409);
  EXPECT_THAT(refused.body, AllOf(HasSubstr(R"("asked":["http:api.example.com","webhooks"])"),
                                  HasSubstr(R"("missing":["http:api.example.com","webhooks"])")));
  EXPECT_THAT(call("GET", "").body, Not(HasSubstr("1.3.0-dev")));
  EXPECT_EQ(enable_granting("1.3.0-dev", R"(["kv"])").status, 400);
  EXPECT_EQ(enable_granting("1.3.0-dev", R"(["nothing"])").status, 400);
  EXPECT_EQ(enable_granting("1.3.0-dev", R"("webhooks")").status, 400);
  const Answer enabled = enable_granting("1.3.0-dev", R"(["http:api.example.com","webhooks"])");
  ASSERT_EQ(enabled.status, 200) << enabled.body;
  EXPECT_THAT(enabled.body, HasSubstr(R"("permissions":["http:api.example.com","webhooks"])"));
  EXPECT_THAT(call("GET", "").body, HasSubstr(R"("permissions":["http:api.example.com","webhooks"])"));
  EXPECT_EQ(enable("1.3.0-dev").status, 200) << "again";

  // It outlives travd.
  ASSERT_EQ(daemon_->stop(), 0);
  auto started = Daemon::start(scratch_);
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  EXPECT_EQ(granted(), R"(["http:api.example.com","webhooks"])");
}

TEST_F(PluginPermissionsTest, what_is_withdrawn_stops_at_once_and_what_is_granted_again_goes_on) {
  install_asking(R"(["http","webhooks"])");
  ASSERT_EQ(enable_granting("1.3.0-dev", R"(["webhooks"])").status, 200);
  connect();
  EXPECT_EQ(deliver().status, 202);
  const Answer withdrawn = change(R"({"withdraw":["webhooks"]})");
  ASSERT_EQ(withdrawn.status, 200) << withdrawn.body;
  EXPECT_THAT(withdrawn.body, AllOf(HasSubstr(R"("granted":[])"), HasSubstr(R"("missing":["http","webhooks"])")));
  const Answer refused = deliver();
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.text("detail"), AllOf(HasSubstr("tenant 'acme' has not granted it, or has withdrawn it"),
                                            HasSubstr("trav plugin grant tracker webhooks --tenant acme")));
  EXPECT_EQ(change(R"({"withdraw":["webhooks"]})").status, 404);
  EXPECT_EQ(change(R"({"grant":["secrets"]})").status, 400);
  EXPECT_EQ(change(R"({"take":[]})").status, 400);
  ASSERT_EQ(change(R"({"grant":["webhooks"]})").status, 200);
  EXPECT_EQ(deliver().status, 202);
  const Answer events = ask(*daemon_, acme_, "GET", "/v1/tenants/acme/events?limit=500");
  EXPECT_THAT(events.body, HasSubstr("trv.plugin.permissions_changed"));
}

TEST_F(PluginPermissionsTest, a_plugin_that_does_not_say_goes_on_as_before_and_can_lose_what_it_has) {
  ASSERT_TRUE(is_enabled("1.2.3"));
  EXPECT_EQ(granted(), R"(["http","webhooks"])");
  connect();
  EXPECT_EQ(deliver().status, 202);
  ASSERT_EQ(change(R"({"withdraw":["webhooks"]})").status, 200);
  EXPECT_EQ(deliver().status, 403);
  const Answer upgraded = upgrade("2.0.0");
  EXPECT_EQ(upgraded.status, 409) << "it asks for webhooks again";
  EXPECT_THAT(upgraded.body, HasSubstr(R"("missing":["webhooks"])"));
}

TEST_F(PluginPermissionsTest, an_upgrade_that_waits_for_consent_disturbs_no_call) {
  install_asking(R"(["http","webhooks","kv"])");
  ASSERT_TRUE(is_enabled("1.2.3"));
  std::atomic<bool> is_over = false;
  std::vector<std::string> versions;
  std::thread load([&] {
    while (!is_over) versions.push_back(version_called("1"));
  });
  for (int i = 0; i < 20; ++i) {
    const Answer waits = upgrade("1.3.0-dev");
    EXPECT_EQ(waits.status, 409);
    EXPECT_THAT(waits.body, HasSubstr(R"("missing":["kv"])"));
  }
  is_over = true;
  load.join();
  EXPECT_THAT(versions, testing::Each("1.2.3"));
  EXPECT_THAT(call("GET", "").body, Not(HasSubstr("1.3.0-dev")));
  ASSERT_EQ(upgrade("1.3.0-dev", R"(["kv"])").status, 200);
  EXPECT_EQ(granted(), R"(["http","webhooks","kv"])");
  EXPECT_EQ(version_called("1"), "1.3.0-dev");
  EXPECT_EQ(upgrade("1.2.3").status, 200) << "it asks for less";
}

TEST_F(PluginPermissionsTest, a_connection_has_credentials_that_the_service_takes) {
  ASSERT_EQ(install(tracker_package("good_dev", 1, std::string::npos, "1.3.0-dev",
                                    R"("connections":[{"name":"tracker","title":"T","auth":["bearer"]},
                                                      {"name":"other","title":"O","auth":["header"]}],)"))
                .status,
            201);
  const auto set = [&](const std::string& name, const std::string& authentication) {
    return ask(*daemon_, acme_, "PUT", "/v1/tenants/acme/connections/" + name,
               R"({"plugin":"tracker","base_url":"http://127.0.0.1:1","secret":"s","auth":)" + authentication + "}",
               {{"Content-Type", "application/json"}});
  };
  const Answer refused = set("tracker", R"({"scheme":"basic","user":"ada"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.text("detail"),
              HasSubstr(R"(auth.scheme is "basic", and the service of plugin 'tracker' takes bearer)"));
  EXPECT_EQ(set("tracker", R"({"scheme":"bearer"})").status, 200);
  EXPECT_EQ(set("mine", R"({"scheme":"header","header":"X-Key"})").status, 200) << "it may be for the other one";
  EXPECT_THAT(set("mine", R"({"scheme":"basic","user":"ada"})").text("detail"), HasSubstr("takes bearer or header"));
}

TEST_F(PluginPermissionsTest, the_operators_word_is_above_what_is_asked_for_and_granted) {
  install_asking(R"(["http","webhooks"])");
  ASSERT_EQ(daemon_->stop(), 0);
  auto started = Daemon::start(scratch_, {}, {.variables = {{"TRAV_PLUGINS_PERMISSIONS", "http:api.example.com"}}});
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  const Answer refused = enable("1.3.0-dev");
  EXPECT_EQ(refused.status, 409);
  EXPECT_THAT(refused.body, HasSubstr(R"("missing":["http:api.example.com"])"));
  EXPECT_EQ(enable_granting("1.3.0-dev", R"(["webhooks"])").status, 400);
  ASSERT_EQ(enable_granting("1.3.0-dev", R"(["http:api.example.com"])").status, 200);
  connect();
  const Answer webhook = deliver();
  EXPECT_EQ(webhook.status, 403);
  EXPECT_THAT(webhook.text("detail"), HasSubstr("its operator sets plugins.permissions"));
}

TEST_F(PluginPermissionsTest, the_operators_word_can_change_while_travd_runs) {
  const std::filesystem::path file = scratch_.path() / "travd.toml";
  const auto write = [&](std::string_view text) { std::ofstream(file) << text; };
  const auto hangup = [&](std::string_view said) {
    ::kill(daemon_->id(), SIGHUP);
    EXPECT_TRUE(eventually([&] { return daemon_->complaints().find(said) != std::string::npos; })) << said;
  };
  install_asking(R"(["http","webhooks"])");
  const std::string token = daemon_->operator_token();
  const auto installed = [&] {
    const base::Bytes package = tracker_package("good_dev", 1, std::string::npos, "1.4.0-dev");
    return ask(*daemon_, token, "POST", "/v1/plugins", std::string(package.begin(), package.end()),
               {{"Content-Type", "application/octet-stream"}})
        .status;
  };
  std::ofstream(scratch_.path() / "trust.keys") << "# nobody\n";
  const std::string trust = fmt::format("plugins.trust = \"{}\"\n", (scratch_.path() / "trust.keys").string());
  ASSERT_EQ(daemon_->stop(), 0);
  write("");
  auto started = Daemon::start(scratch_, {"--config", file.string()});
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  ASSERT_EQ(enable_granting("1.3.0-dev", R"(["webhooks"])").status, 200);
  connect();
  EXPECT_EQ(deliver().status, 202);
  write(trust + "plugins.permissions = \"http\"\nplugins.require = \"signed\"\n");
  hangup("plugins.permissions is 'http' now");
  EXPECT_EQ(deliver().status, 403);
  EXPECT_EQ(installed(), 403);
  write("plugins.permissions = \"http, webhooks\"\nplugins.trust = \"/nowhere\"\n");
  hangup("nothing is applied");
  EXPECT_EQ(deliver().status, 403);
  write("plugins.permissions = \"http, webhooks\"\n");
  hangup("plugins.require is 'none' now; it was 'signed'");
  EXPECT_EQ(deliver().status, 202);
  EXPECT_EQ(installed(), 400) << "its version is not that of its library, which is looked at now";
}

}  // namespace
}  // namespace trv::api
