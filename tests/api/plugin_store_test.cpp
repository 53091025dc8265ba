// What a plugin keeps between its calls: recorded in the tenant's log, there after a restart, and nobody else's.

#include <gmock/gmock.h>

#include "tests/support/api/plugin_fixture.hpp"

namespace trv::api {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class PluginStoreTest : public PluginFixture {
 protected:
  /// The output of a workflow with one call.
  std::string output(const std::string& operation, const std::string& with = "") {
    const std::string id =
        begin_workflow(*daemon_, acme_, fmt::format("store-{}", ++workflows_),
                       fmt::format("do:\n  - ask:\n      call: tracker.{}:1@default\n{}", operation, with));
    return ended(id);
  }
};

TEST_F(PluginStoreTest, what_a_call_keeps_is_recorded_and_outlives_travd_and_versions) {
  ASSERT_TRUE(is_enabled("1.2.3"));
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

}  // namespace
}  // namespace trv::api
