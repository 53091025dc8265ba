// Versions of a plugin beside each other: what runs keeps the version that its definition names, and a line of versions
// goes where the tenant has switched to.

#include <gmock/gmock.h>

#include "tests/support/api/plugin_fixture.hpp"

namespace trv::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class PluginVersionsTest : public PluginFixture {};

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
