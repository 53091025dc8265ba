// What a plugin asks of travd within a call: values that are kept, signatures, events.

#include <gmock/gmock.h>

#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "tests/support/api/plugin_fixture.hpp"

namespace trv::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class PluginStoreTest : public PluginFixture {
 protected:
  /// Version 1.3.0-dev, which asks for all that is used here, and is granted it.
  void enable_with_all(const std::string& more = "") {
    const std::string permissions = R"(["http","webhooks","kv","secrets","events"])";
    const Answer installed = install(tracker_package("good_dev", 1, std::string::npos, "1.3.0-dev",
                                                     fmt::format(R"("permissions":{},{})", permissions, more)));
    ASSERT_EQ(installed.status, 201) << installed.body;
    const Answer enabled =
        call("PUT", "/tracker", fmt::format(R"({{"version":"1.3.0-dev","permissions":{}}})", permissions));
    ASSERT_EQ(enabled.status, 200) << enabled.body;
  }
  /// The output of a workflow with one call.
  std::string output(const std::string& operation, const std::string& with = "") {
    const std::string id =
        begin_workflow(*daemon_, acme_, fmt::format("store-{}", ++workflows_),
                       fmt::format("do:\n  - ask:\n      call: tracker.{}:1@default\n{}", operation, with));
    return ended(id);
  }
};

TEST_F(PluginStoreTest, what_a_call_keeps_is_recorded_and_outlives_travd_and_versions) {
  enable_with_all();
  EXPECT_EQ(output("kept"), "[false]");
  EXPECT_EQ(output("keep", "      with: {page: 3}\n"), R"([["cursor",null,1],false])");
  EXPECT_EQ(output("kept"), R"([["cursor",{"page":3},1],false])");
  EXPECT_THAT(ask(*daemon_, acme_, "GET", "/v1/tenants/acme/events?limit=500").body,
              AllOf(HasSubstr("trv.plugin.data-put"), HasSubstr(R"("actor":"plugin:tracker")"),
                    HasSubstr(R"("value":{"page":3})")));

  ASSERT_EQ(daemon_->stop(), 0);
  auto started = Daemon::start(scratch_);
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  EXPECT_EQ(output("kept"), R"([["cursor",{"page":3},1],false])");
}

TEST_F(PluginStoreTest, what_an_uninstalled_plugin_kept_is_erased) {
  enable_with_all();
  EXPECT_EQ(output("keep", "      with: {page: 3}\n"), R"([["cursor",null,1],false])");
  ASSERT_EQ(call("DELETE", "/tracker").status, 204);
  for (const char* version : {"1.2.3", "1.3.0-dev", "2.0.0"}) {
    ASSERT_EQ(as_operator("DELETE", fmt::format("/v1/plugins/tracker/{}", version)).status, 204);
  }
  // A sweep is at each start.
  ASSERT_EQ(daemon_->stop(), 0);
  auto started = Daemon::start(scratch_);
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  EXPECT_TRUE(eventually([&] {
    return ask(*daemon_, acme_, "GET", "/v1/tenants/acme/events?limit=500").body.find("trv.plugin.data-erased") !=
           std::string::npos;
  }));
}

TEST_F(PluginStoreTest, what_the_configuration_names_signs_and_nothing_else) {
  const std::string more = R"("configuration":{"type":"object","properties":{"key":{"type":"string","secret":true}}},)";
  enable_with_all(more);
  const Answer connection =
      ask(*daemon_, acme_, "PUT", "/v1/tenants/acme/connections/vault",
          R"({"plugin":"tracker","base_url":"http://h","auth":{"scheme":"bearer"},"secret":"s3cr3t"})",
          {{"Content-Type", "application/json"}});
  ASSERT_EQ(connection.status, 200) << connection.body;
  EXPECT_THAT(output("sign", "      with: {a: 1}\n"),
              AllOf(HasSubstr("names no secret 'vault'"), HasSubstr("trav plugin configure tracker --set")));
  ASSERT_EQ(call("PUT", "/tracker/configuration", R"({"key":"vault"})").status, 200);
  const base::Digest expected = base::hmac_sha256(base::as_bytes("s3cr3t"), base::as_bytes(R"({"a":1})"));
  EXPECT_EQ(output("sign", "      with: {a: 1}\n"), '"' + base::to_hex(expected) + '"');
}

TEST_F(PluginStoreTest, what_a_call_emits_starts_the_workflows_that_wait_for_it) {
  enable_with_all();
  const Answer applied =
      ask(*daemon_, acme_, "POST", "/v1/tenants/acme/workflows",
          "document: {dsl: '1.0.3', namespace: demo, name: heard, version: '1.0.0'}\n"
          "schedule: {on: {one: {with: {type: com.tracker.made}}}}\ndo:\n  - a: {set: {heard: true}}\n",
          {{"Content-Type", "application/yaml"}});
  ASSERT_EQ(applied.status, 201) << applied.body;
  EXPECT_THAT(output("emit", "      with: {n: 1}\n"), testing::EndsWith("/1\""));
  const std::string events = ask(*daemon_, acme_, "GET", "/v1/tenants/acme/events?limit=500").body;
  EXPECT_THAT(events, AllOf(HasSubstr("trv.event.received"), HasSubstr(R"("channel":"plugin:tracker")"),
                            HasSubstr(R"("source":"/plugins/tracker")")));
  EXPECT_THAT(ask(*daemon_, acme_, "GET", "/v1/tenants/acme/instances?limit=100").body, HasSubstr(R"("name":"heard")"));
}

}  // namespace
}  // namespace trv::api
