// Versions of a plugin beside each other: what runs keeps the version that its definition names, and a line of versions
// goes where the tenant has switched to.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class PluginVersionsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Daemon::start(scratch_);
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    acme_ = create_tenant(*daemon_, "acme");
    const Answer installed = install(tracker_package("good"));
    if (installed.text("detail").find("plugins cannot be isolated") != std::string::npos) {
      GTEST_SKIP() << installed.text("detail");
    }
    ASSERT_EQ(installed.status, 201) << installed.body;
    ASSERT_EQ(install(tracker_package("good_2", 1, std::string::npos, "2.0.0")).status, 201);
  }
  Answer install(const base::Bytes& package) {
    return ask(*daemon_, daemon_->operator_token(), "POST", "/v1/plugins", std::string(package.begin(), package.end()),
               {{"Content-Type", "application/octet-stream"}});
  }
  Answer call(const std::string& method, const std::string& path, std::string body = {}) {
    return ask(*daemon_, acme_, method, "/v1/tenants/acme/plugins" + path, std::move(body),
               {{"Content-Type", "application/json"}});
  }
  Answer enable(const std::string& version) {
    return call("PUT", "/tracker", fmt::format(R"({{"version":"{}"}})", version));
  }
  bool is_enabled(const std::string& version) {
    const Answer answer = enable(version);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.status == 200;
  }
  /// What becomes of a task that calls this version.
  std::string outcome_of(const std::string& version, const std::string& before = "") {
    const std::string text = fmt::format("do:\n{}  - ask:\n      call: tracker.about:{}@default\n", before, version);
    const std::string id = begin_workflow(*daemon_, acme_, fmt::format("about-{}", ++workflows_), text);
    return ended(id);
  }
  std::string ended(const std::string& id) {
    const json::object instance = ended_instance(*daemon_, acme_, id);
    return json::serialize(instance.contains("output") && !instance.at("output").is_null() ? instance.at("output")
                                                                                           : instance.at("error"));
  }
  std::string version_called(const std::string& version) {
    const json::value output = json::parse(outcome_of(version));
    const auto* found = output.as_object().if_contains("version");
    return found == nullptr ? json::serialize(output) : std::string(found->as_string());
  }

  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
  std::string acme_;
  int workflows_ = 0;
};

TEST_F(PluginVersionsTest, an_instance_keeps_the_version_that_its_definition_names) {
  ASSERT_TRUE(is_enabled("1.2.3"));
  const std::string waiting = begin_workflow(*daemon_, acme_, "waiting",
                                             "do:\n  - rest:\n      wait: PT2S\n"
                                             "  - ask:\n      call: tracker.about:1.2.3@default\n");
  const Answer beside = enable("2.0.0");
  ASSERT_EQ(beside.status, 200) << beside.body;
  EXPECT_FALSE(beside.value().at("current").as_bool());
  EXPECT_EQ(version_called("2.0.0"), "2.0.0");
  EXPECT_EQ(version_called("1.2.3"), "1.2.3");
  EXPECT_THAT(ended(waiting), HasSubstr(R"("version":"1.2.3")"));
  const json::value listed = call("GET", "").value();
  ASSERT_EQ(listed.at("items").as_array().size(), 2U);
  EXPECT_TRUE(listed.at("items").at(0).at("current").as_bool());
  // Page by page, too.
  const json::value first = call("GET", "?limit=1").value();
  EXPECT_EQ(first.at("items").at(0).at("version").as_string(), "1.2.3");
  const std::string next(first.at("next_cursor").as_string());
  const json::value second = call("GET", "?limit=1&cursor=" + next).value();
  EXPECT_EQ(second.at("items").at(0).at("version").as_string(), "2.0.0");
  EXPECT_TRUE(second.at("next_cursor").is_null());
}

TEST_F(PluginVersionsTest, a_version_that_is_not_enabled_is_refused_with_what_there_is) {
  EXPECT_THAT(outcome_of("1.2.3"), HasSubstr("plugin 'tracker' is not enabled for tenant 'acme'"));
  ASSERT_TRUE(is_enabled("1.2.3"));
  EXPECT_THAT(outcome_of("2.0.0"), AllOf(HasSubstr("has enabled 1.2.3 (current) of plugin 'tracker', not 2.0.0"),
                                         HasSubstr("trav plugin enable tracker 2.0.0")));
  ASSERT_TRUE(is_enabled("2.0.0"));
  EXPECT_EQ(call("DELETE", "/tracker?version=1.2.3").status, 204);
  EXPECT_EQ(call("DELETE", "/tracker?version=1.2.3").status, 404);
  EXPECT_EQ(call("DELETE", "/tracker?version=").status, 400);
  EXPECT_THAT(outcome_of("1.2.3"), HasSubstr("has enabled 2.0.0 (current)"));
  EXPECT_EQ(version_called("2.0.0"), "2.0.0");
  ASSERT_TRUE(is_enabled("1.2.3"));
  EXPECT_EQ(call("DELETE", "/tracker").status, 204);
  EXPECT_EQ(call("GET", "").value().at("items").as_array().size(), 0U);
}

TEST_F(PluginVersionsTest, a_line_of_versions_is_called_where_it_leads) {
  ASSERT_TRUE(is_enabled("1.2.3"));
  EXPECT_EQ(version_called("1"), "1.2.3");
  EXPECT_EQ(version_called("1.2"), "1.2.3");
  EXPECT_THAT(outcome_of("2"), HasSubstr("has enabled 1.2.3 (current) of plugin 'tracker', not 2"));
  ASSERT_TRUE(is_enabled("2.0.0"));
  EXPECT_EQ(version_called("2"), "2.0.0");
  EXPECT_EQ(version_called("1"), "1.2.3");
}

}  // namespace
}  // namespace trv::api
