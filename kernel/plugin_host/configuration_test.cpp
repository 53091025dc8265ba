// What tenants set for a plugin: each call is made with its tenant's, also while another takes its place.

#include <algorithm>

#include "kernel/plugin_host/testing/isolated_fixture.hpp"

namespace trv::plugin_host {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

constexpr const char* needs_a_region =
    R"(,"configuration":{"type":"object","required":["region"],"properties":{"region":{"type":"string"}}})";

class InProcessFixture : public PluginHostTest {};

template <typename Fixture>
class ConfigurationTest : public Fixture {
 protected:
  std::string about(const std::string& tenant, std::optional<std::string> configuration) {
    OperationCall request = this->call("about", "{}", 20'000);
    request.tenant = TenantId(tenant);
    request.configuration = std::move(configuration);
    const CallOutcome outcome = this->run(std::move(request));
    return outcome ? *outcome : "error: " + outcome.error().message;
  }
  /// As it is loaded by what the log says of it.
  base::Status load_unset(const base::Bytes& package) {
    const auto examined = this->host_->examine(this->install(package).package_digest);
    return examined ? this->host_->load(*examined) : base::fail(examined.error());
  }
};

using Places = testing::Types<InProcessFixture, IsolatedFixture>;
TYPED_TEST_SUITE(ConfigurationTest, Places);

TYPED_TEST(ConfigurationTest, each_tenants_calls_are_made_with_its_own) {
  ASSERT_TRUE(this->load_unset(package_of("good")));
  EXPECT_THAT(this->about("acme", std::nullopt), HasSubstr(R"("configuration":{})"));
  EXPECT_THAT(this->about("acme", R"({"region":"eu"})"), HasSubstr(R"("configuration":{"region":"eu"})"));
  EXPECT_THAT(this->about("beta", R"({"region":"us"})"), HasSubstr(R"("configuration":{"region":"us"})"));
  EXPECT_THAT(this->about("acme", R"({"region":"eu"})"), HasSubstr(R"("configuration":{"region":"eu"})"));
}

TYPED_TEST(ConfigurationTest, calls_that_are_under_way_end_with_what_they_began_with) {
  ASSERT_TRUE(this->load_unset(package_of("good")));
  auto first = this->invoke([&] {
    OperationCall request = this->call("too-late", "{}", 20'000);
    request.configuration = R"({"region":"eu"})";
    return request;
  }());
  EXPECT_THAT(this->about("acme", R"({"region":"us"})"), HasSubstr(R"("region":"us")"));
  EXPECT_EQ(first.get().value_or("no answer"), "\"too late\"");
  // Its process, or instance, ends by itself; nothing of what it counted is lost.
  EXPECT_TRUE(this->eventually([&] { return this->metrics().in_flight == 0; }));
  EXPECT_EQ(this->metrics().succeeded, 2U);
}

TYPED_TEST(ConfigurationTest, a_plugin_that_needs_one_is_loaded_and_called_once_it_is_set) {
  ASSERT_TRUE(this->load_unset(package_of("good", needs_a_region)));
  EXPECT_THAT(this->about("acme", std::nullopt),
              AllOf(HasSubstr("plugin 'tracker' 1.2.3 is not configured for tenant 'acme'"),
                    HasSubstr("trav plugin configure tracker --set"), HasSubstr("region")));
  EXPECT_THAT(this->about("acme", R"({"region":"secret"})"), HasSubstr(R"("region":"secret")"));
  EXPECT_THAT(this->about("acme", R"({"region":["hidden"]})"),
              AllOf(HasSubstr("is configured otherwise than it needs"), Not(HasSubstr("hidden"))));
  EXPECT_FALSE(this->host_->check_configuration("tracker", "1.2.3", "{}"));
  EXPECT_TRUE(this->host_->check_configuration("tracker", "1.2.3", R"({"region":"eu"})"));
}

TYPED_TEST(ConfigurationTest, what_a_plugin_refuses_itself_is_the_calls_error) {
  ASSERT_TRUE(this->load_unset(package_of("good")));
  EXPECT_THAT(this->about("acme", R"({"a":"refuse"})"), HasSubstr("the configuration says refuse"));
  EXPECT_THAT(this->about("beta", R"({"a":"take"})"), HasSubstr("take"));
}

TYPED_TEST(ConfigurationTest, a_version_in_the_making_is_replaced_while_its_calls_end) {
  const auto version = [&](const std::string& more) {
    std::string bytes = R"(,"configuration":{"type":"object","title":")" + more + R"("})";
    return package_of("good_dev", bytes, 1, "linux-x86_64", "in-process", operation_names, "1.3.0-dev");
  };
  const auto call = [&](const std::string& operation) {
    OperationCall request = this->call(operation, "{}", 20'000);
    request.version = "1.3.0-dev";
    return request;
  };
  ASSERT_TRUE(this->load_unset(version("first")));
  auto under_way = this->invoke(call("too-late"));
  const base::Status replaced = this->load_unset(version("second"));
  ASSERT_TRUE(replaced) << replaced.error().message();
  EXPECT_THAT(this->run(call("about")).value_or("no answer"), HasSubstr("1.3.0-dev"));
  EXPECT_EQ(under_way.get().value_or("no answer"), "\"too late\"");
}

TYPED_TEST(ConfigurationTest, what_is_retired_takes_no_call_and_ends_those_it_has) {
  ASSERT_TRUE(this->load_unset(package_of("good")));
  auto under_way = this->invoke(this->call("too-late", "{}", 20'000));
  EXPECT_EQ(this->host_->running().size(), 1U);
  EXPECT_TRUE(this->host_->retire("tracker", "1.2.3"));
  EXPECT_FALSE(this->host_->retire("tracker", "1.2.3"));
  EXPECT_THAT(this->about("acme", std::nullopt), HasSubstr("is not loaded"));
  EXPECT_EQ(under_way.get().value_or("no answer"), "\"too late\"");
}

}  // namespace
}  // namespace trv::plugin_host
