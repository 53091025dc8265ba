// What a plugin subscribes to reaches its operation, for as long as its version is the current one and it may.

#include <gmock/gmock.h>

#include "tests/support/api/plugin_fixture.hpp"

namespace trv::api {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class PluginSubscriptionTest : public PluginFixture {
 protected:
  Answer install_subscribing(const std::string& subscriptions,
                             const std::string& permissions = R"(["webhooks","subscriptions:com.shop.*"])") {
    return install(tracker_package("good_dev", 1, std::string::npos, "1.3.0-dev",
                                   fmt::format(R"("permissions":{},"subscriptions":{},)", permissions, subscriptions)));
  }
  Answer enable_granting(const std::string& permissions) {
    return call("PUT", "/tracker", fmt::format(R"({{"version":"1.3.0-dev","permissions":{}}})", permissions));
  }
  void enable_echo() {
    const Answer installed =
        install_subscribing(R"([{"operation":"echo","events":["com.shop.sold","com.shop.lost"]}])");
    ASSERT_EQ(installed.status, 201) << installed.body;
    const Answer enabled = enable_granting(R"(["webhooks","subscriptions:com.shop.*"])");
    ASSERT_EQ(enabled.status, 200) << enabled.body;
  }
  Answer send(const std::string& token, const std::string& tenant, const std::string& type, const std::string& id) {
    return ask(
        *daemon_, token, "POST", "/v1/tenants/" + tenant + "/events",
        fmt::format(R"({{"specversion":"1.0","id":"{}","source":"/shop","type":"{}","data":{{"n":7}}}})", id, type),
        {{"Content-Type", "application/cloudevents+json"}});
  }
  /// The instances that such an event starts.
  std::vector<std::string> started_by(const std::string& type) {
    const Answer answer = send(acme_, "acme", type, fmt::format("e-{}", ++events_));
    EXPECT_EQ(answer.status, 202) << answer.body;
    std::vector<std::string> ids;
    if (answer.status != 202) return ids;
    const json::value body = answer.value();
    for (const auto& id : body.at("started").as_array()) ids.emplace_back(id.as_string());
    return ids;
  }
  Answer change(const std::string& body) { return call("POST", "/tracker/permissions", body); }
  Answer workflow(const std::string& method, const std::string& path, std::string body = "{}") {
    return ask(*daemon_, acme_, method, "/v1/tenants/acme/workflows" + path, std::move(body),
               {{"Content-Type", "application/json"}});
  }

  int events_ = 0;
};

TEST_F(PluginSubscriptionTest, an_event_is_handed_to_the_operation_whole_and_once) {
  enable_echo();
  const auto started = started_by("com.shop.sold");
  ASSERT_THAT(started, SizeIs(1));
  const json::value output = json::parse(ended(started.front()));
  const json::value& event = output.at("event");
  EXPECT_EQ(event.at("type"), "com.shop.sold");
  EXPECT_EQ(event.at("source"), "/shop");
  EXPECT_EQ(event.at("id"), "e-1");
  EXPECT_EQ(event.at("data").at("n"), 7);
  EXPECT_THAT(started_by("com.shop.lost"), SizeIs(1));
  EXPECT_THAT(started_by("com.shop.kept"), IsEmpty());
  EXPECT_THAT(send(acme_, "acme", "com.shop.sold", "e-1").body, HasSubstr(R"("started":[])")) << "the same again";
  EXPECT_THAT(workflow("GET", "", "").body,
              AllOf(HasSubstr(R"("namespace":"plugin-tracker")"), HasSubstr(R"("name":"echo")")));
  const std::string other = create_tenant(*daemon_, "other");
  EXPECT_THAT(send(other, "other", "com.shop.sold", "e-1").body, HasSubstr(R"("started":[])"));
}

TEST_F(PluginSubscriptionTest, it_goes_with_the_current_version) {
  ASSERT_TRUE(is_enabled("1.2.3"));
  enable_echo();
  EXPECT_THAT(started_by("com.shop.sold"), IsEmpty()) << "1.2.3 is the current one";
  const auto switch_to = [&](const std::string& version) {
    const Answer answer = call("POST", "/tracker/upgrade", fmt::format(R"({{"version":"{}"}})", version));
    EXPECT_EQ(answer.status, 200) << answer.body;
  };
  switch_to("1.3.0-dev");
  EXPECT_THAT(started_by("com.shop.sold"), SizeIs(1));
  ASSERT_TRUE(is_enabled("2.0.0"));
  EXPECT_THAT(started_by("com.shop.sold"), SizeIs(1)) << "enabled, but not the current one";
  switch_to("2.0.0");
  EXPECT_THAT(started_by("com.shop.sold"), IsEmpty());
  EXPECT_EQ(call("POST", "/tracker/rollback").status, 200);
  EXPECT_THAT(started_by("com.shop.sold"), SizeIs(1));

  // It outlives travd, and its projection.
  ASSERT_EQ(daemon_->stop(), 0);
  auto started = Daemon::start(scratch_);
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  EXPECT_THAT(started_by("com.shop.sold"), SizeIs(1));
  EXPECT_EQ(call("DELETE", "/tracker?version=1.3.0-dev").status, 204);
  EXPECT_THAT(started_by("com.shop.sold"), IsEmpty()) << "2.0.0 is the highest that is left";
  ASSERT_EQ(enable_granting(R"([])").status, 200);
  switch_to("1.3.0-dev");
  EXPECT_THAT(started_by("com.shop.sold"), SizeIs(1)) << "what was granted is the plugin's";
  EXPECT_EQ(call("DELETE", "/tracker").status, 204);
  EXPECT_THAT(started_by("com.shop.sold"), IsEmpty());
}

TEST_F(PluginSubscriptionTest, what_the_tenant_does_not_permit_is_not_handed_over) {
  ASSERT_EQ(install_subscribing(R"([{"operation":"echo","events":["com.shop.sold","com.shop.lost"]}])").status, 201);
  const Answer waits = enable("1.3.0-dev");
  EXPECT_EQ(waits.status, 409);
  EXPECT_THAT(waits.body, HasSubstr("subscriptions:com.shop.*"));
  ASSERT_EQ(enable_granting(R"(["subscriptions:com.shop.lost"])").status, 200);
  EXPECT_THAT(started_by("com.shop.sold"), IsEmpty());
  EXPECT_THAT(started_by("com.shop.lost"), SizeIs(1));
  ASSERT_EQ(change(R"({"withdraw":["subscriptions:com.shop.lost"]})").status, 200);
  EXPECT_THAT(started_by("com.shop.lost"), IsEmpty());
  ASSERT_EQ(change(R"({"grant":["subscriptions:com.shop.*"]})").status, 200);
  EXPECT_THAT(started_by("com.shop.lost"), SizeIs(1));
  EXPECT_THAT(started_by("com.shop.sold"), SizeIs(1));
}

TEST_F(PluginSubscriptionTest, a_version_under_development_subscribes_to_something_else) {
  enable_echo();
  ASSERT_EQ(workflow("POST", "/plugin-tracker/echo/disable", R"({"reason":"not now"})").status, 200);
  EXPECT_THAT(started_by("com.shop.sold"), IsEmpty());
  const Answer again = install_subscribing(
      R"([{"operation":"echo","events":["com.shop.opened"]},{"operation":"about","events":["com.shop.opened"]}])");
  ASSERT_EQ(again.status, 201) << again.body;
  ASSERT_EQ(enable("1.3.0-dev").status, 200);
  EXPECT_THAT(started_by("com.shop.opened"), SizeIs(1)) << "what was disabled by hand is disabled still";
  ASSERT_EQ(workflow("POST", "/plugin-tracker/echo/enable").status, 200);
  EXPECT_THAT(started_by("com.shop.opened"), SizeIs(2));
  EXPECT_THAT(started_by("com.shop.sold"), IsEmpty());
}

TEST_F(PluginSubscriptionTest, nobody_else_has_workflows_there) {
  const Answer refused =
      ask(*daemon_, acme_, "POST", "/v1/tenants/acme/workflows",
          "document: {dsl: '1.0.3', namespace: plugin-tracker, name: mine, version: 1.0.0}\ndo: [{a: {set: {n: 1}}}]\n",
          {{"Content-Type", "application/yaml"}});
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.text("detail"), HasSubstr("those that begin with 'plugin-' hold what plugins subscribe to"));
}

}  // namespace
}  // namespace trv::api
