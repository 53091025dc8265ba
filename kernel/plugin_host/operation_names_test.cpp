// A package whose code has other operations than its manifest names is refused when it is installed.

#include "kernel/plugin_host/operation_names.hpp"

#include <fmt/format.h>

#include "kernel/plugin_host/testing/isolated_fixture.hpp"

namespace trv::plugin_host {
namespace {

using testing::HasSubstr;

TEST(OperationNames, every_difference_is_named) {
  EXPECT_TRUE(compare_operations("p", "1.0.0", {"b", "a"}, {"a", "b"}));
  const auto differs = compare_operations("p", "1.0.0", {"one", "two"}, {"two", "three"});
  ASSERT_FALSE(differs);
  EXPECT_EQ(differs.error().message(),
            "plugin 'p' 1.0.0: its manifest names operations that its code does not have: one; its code has operations "
            "that its manifest does not name: three");
}

/// A program that answers `begin` with a frame.
constexpr std::string_view program = R"(
import json, socket
lines = socket.socket(fileno=3).makefile("rw", newline="\n")
for line in lines:
    (name, body), = json.loads(line).items()
    if name == "begin":
        BEGIN
    elif name == "end":
        break
)";
constexpr std::string_view says = R"(lines.write(json.dumps({"FRAME": BODY}) + "\n"); lines.flush())";

class InstalledProgram : public IsolatedFixture {
 protected:
  base::Status installed(std::string begin, const std::string& configuration = "{}") {
    std::string text(program);
    text.replace(text.find("BEGIN"), 5, begin);
    const auto bytes = package::assemble(
        fmt::format(R"({{"manifest":1,"id":"tracker","version":"1.2.3","title":"T","summary":"S","license":"MIT",
        "abi":{{"major":1,"minor":0}},"isolation":"sandboxed","runtime":"process","configuration":{},
        "program":{{"interpreter":"python3","file":"program/main.py"}},
        "operations":[{{"name":"echo","title":"E","idempotent":true,"input":true,"output":true}}]}})",
                    configuration),
        {{.path = "program/main.py", .bytes = base::to_bytes(text)}});
    EXPECT_TRUE(bytes) << bytes.error().message();
    const auto examined = host_->examine(install(*bytes).package_digest);
    if (!examined) return base::fail(examined.error());
    return host_->load(*examined, std::nullopt, {}, PluginHost::Known::from_now);
  }
  static std::string frame(const std::string& name, const std::string& body) {
    std::string text(says);
    text.replace(text.find("FRAME"), 5, name);
    return text.replace(text.find("BODY"), 4, body);
  }
  static constexpr const char* needs_region = R"({"type":"object","required":["region"]})";
};

TEST_F(InstalledProgram, a_program_with_other_operations_is_refused) {
  const base::Status refused = installed(frame("ready", R"({"operations": ["ehco"]})"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::invalid);
  EXPECT_THAT(refused.error().message(), testing::AllOf(HasSubstr("does not have: echo"), HasSubstr("not name: ehco")));
  EXPECT_TRUE(installed(frame("ready", R"({"operations": ["echo"]})")));
}

TEST_F(InstalledProgram, one_that_does_not_say_is_believed) {
  EXPECT_TRUE(installed(frame("ready", "{}")));
}

TEST_F(InstalledProgram, one_that_needs_a_configuration_is_started_without) {
  EXPECT_FALSE(installed("import nothing_such", needs_region)) << "its code does not load";
  EXPECT_FALSE(installed(frame("ready", R"({"operations": []})"), needs_region));
  const base::Status refuses = installed(frame("refused", R"({"message": "no region"})"), needs_region);
  EXPECT_TRUE(refuses) << refuses.error().message();
}

TEST_F(InstalledProgram, a_trial_is_said_to_the_program) {
  EXPECT_TRUE(installed("assert body['trial']; " + frame("ready", "{}"), needs_region));
}

TEST_F(InstalledProgram, one_that_needs_none_may_not_refuse_it) {
  const base::Status refused = installed("assert 'trial' not in body; " + frame("refused", R"({"message": "not me"})"));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("not me"));
}

}  // namespace
}  // namespace trv::plugin_host
