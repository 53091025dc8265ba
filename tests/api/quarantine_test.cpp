// A plugin that crashes costs its own calls: travd goes on, the crashes are records, three of them are a quarantine
// that outlives travd, and a command ends it.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string calling(const std::string& name, const std::string& operation) {
  return fmt::format(
      "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: {}\n  version: '1.0.0'\n"
      "do:\n  - risk:\n      call: tracker.{}:1.2.3@default\n",
      name, operation);
}

class QuarantineTest : public testing::Test {
 protected:
  void SetUp() override {
    start();
    const Answer created = call(operator_, "POST", "/v1/tenants", R"({"id":"acme","display_name":"Acme"})");
    ASSERT_EQ(created.status, 201) << created.body;
    acme_ = created.value().at("token").at("token").as_string();
    const base::Bytes package = tracker_package("good");
    const Answer installed =
        call(operator_, "POST", "/v1/plugins", std::string(package.begin(), package.end()), "application/octet-stream");
    if (installed.text("detail").find("plugins cannot be isolated") != std::string::npos) {
      GTEST_SKIP() << installed.text("detail");
    }
    ASSERT_EQ(installed.status, 201) << installed.body;
    ASSERT_EQ(call(acme_, "PUT", "/v1/tenants/acme/plugins/tracker", R"({"version":"1.2.3"})").status, 200);
    for (const char* operation : {"die", "echo"}) {
      const Answer applied =
          call(acme_, "POST", "/v1/tenants/acme/workflows", calling(operation, operation), "application/yaml");
      ASSERT_EQ(applied.status, 201) << applied.body;
    }
  }
  void start() {
    auto started = Daemon::start(scratch_);
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    if (!daemon_->operator_token().empty()) operator_ = daemon_->operator_token();
  }
  Answer call(const std::string& token, const std::string& method, const std::string& path, std::string body = {},
              const std::string& type = "application/json") {
    return ask(*daemon_, token, method, path, std::move(body), {{"Content-Type", type}});
  }
  /// The instance of a run of the workflow that has ended.
  json::object run(const std::string& workflow) {
    const Answer started = call(acme_, "POST", "/v1/tenants/acme/workflows/demo/" + workflow + "/instances", "{}");
    EXPECT_EQ(started.status, 201) << started.body;
    Answer shown;
    EXPECT_TRUE(eventually([&] {
      shown = call(acme_, "GET", "/v1/tenants/acme/instances/" + started.text("id"));
      return shown.status == 200 && shown.text("status") != "running";
    })) << shown.body;
    return shown.value().as_object();
  }
  std::string error_of(const json::object& instance) {
    return instance.contains("error") ? std::string(json::serialize(instance.at("error"))) : "none";
  }
  std::string quarantine() { return call(acme_, "GET", "/v1/tenants/acme/plugins").body; }

  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
  std::string operator_;
  std::string acme_;
};

TEST_F(QuarantineTest, a_plugin_that_crashes_again_and_again_is_in_quarantine_until_it_is_released_and_travd_goes_on) {
  EXPECT_EQ(run("echo").at("status").as_string(), "completed");
  // The operation is idempotent, so a call that crashed is made again, but not until all calls are refused.
  const json::object crashed = run("die");
  EXPECT_EQ(crashed.at("status").as_string(), "faulted");
  EXPECT_THAT(error_of(crashed), AllOf(HasSubstr("it crashed (Aborted)"),
                                       HasSubstr("during 2 tries of this call, which is not made again")));
  EXPECT_EQ(run("echo").at("status").as_string(), "completed") << "one input does not take the plugin from others";
  EXPECT_EQ(run("die").at("status").as_string(), "faulted");
  EXPECT_TRUE(daemon_->running());
  ASSERT_TRUE(eventually([&] { return quarantine().find("it crashed (Aborted)") != std::string::npos; }));
  EXPECT_THAT(error_of(run("echo")), HasSubstr("trav plugin release tracker"));

  // It is a record, and so outlives travd.
  ASSERT_EQ(::kill(daemon_->id(), SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return !daemon_->running(); }));
  start();
  EXPECT_THAT(quarantine(), HasSubstr("it crashed (Aborted)"));
  EXPECT_THAT(error_of(run("echo")), HasSubstr("trav plugin release tracker"));

  // Operators see it, and not whose it is.
  const Answer page = call("", "GET", "/status.json");
  const json::value shown = page.value().at("quarantines").at(0);
  EXPECT_EQ(shown.at("plugin").as_string(), "tracker");
  EXPECT_EQ(shown.at("version").as_string(), "1.2.3");
  EXPECT_EQ(shown.at("tenants"), 1);
  EXPECT_EQ(page.body.find("acme"), std::string::npos) << page.body;
  EXPECT_EQ(page.value().at("health").at("checks").at("plugins:quarantine").at(0).at("status").as_string(), "warn");
  EXPECT_THAT(call("", "GET", "/metrics").body, HasSubstr("\ntravertine_plugins_in_quarantine 1\n"));

  EXPECT_EQ(call(acme_, "DELETE", "/v1/tenants/acme/plugins/tracker/quarantine").status, 204);
  EXPECT_EQ(quarantine().find("quarantine"), std::string::npos);
  EXPECT_TRUE(call("", "GET", "/status.json").value().at("quarantines").as_array().empty());
  EXPECT_EQ(run("echo").at("status").as_string(), "completed");
  EXPECT_EQ(call(acme_, "DELETE", "/v1/tenants/acme/plugins/tracker/quarantine").status, 409);
  EXPECT_EQ(call(acme_, "DELETE", "/v1/tenants/acme/plugins/other/quarantine").status, 404);
  EXPECT_THAT(call(acme_, "GET", "/v1/tenants/acme/events?limit=500").body,
              AllOf(HasSubstr("trv.plugin.crashed"), HasSubstr("trv.plugin.released")));
}

}  // namespace
}  // namespace trv::api
