// A validation finds what it promises to find: a plugin with one planted bug for each operation.

#include "kernel/plugin_run/validation.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/scratch_folder.hpp"
#include "sdk/package/package.hpp"

namespace trv::plugin_run {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

/// Of the library two_faced. These operations have an example.
base::Bytes package_of(const std::vector<std::string>& operations, const std::string& more = {},
                       const std::string& permissions = R"("http","kv","events:com.tracker.*")") {
  std::vector<std::string> all = {"good",       "ask",   "dial",    "crash",    "hang",  "count",
                                  "sleep-long", "twice", "process", "attempts", "tally", "peek"};
  if (!more.empty()) all.push_back(more);
  std::string list;
  for (const std::string& name : all) {
    const bool has_example = std::ranges::find(operations, name) != operations.end();
    list += fmt::format(
        R"({}{{"name":"{}","title":"T","idempotent":true,"output":{{"type":"array"}},
            "input":{{"type":"object","properties":{{"n":{{"type":"integer"}}}},"required":["n"],"examples":[{}]}}}})",
        list.empty() ? "" : ",", name, has_example ? R"({"n":1})" : "");
  }
  auto library = base::read_file(std::filesystem::path(TRV_TEST_PLUGINS) / "two_faced.so", 64'000'000);
  EXPECT_TRUE(library) << library.error().message();
  std::vector<package::File> files;
  files.push_back({"lib/plugin.so", library.value_or(base::Bytes())});
  const auto bytes = package::assemble(
      fmt::format(R"({{"manifest":1,"id":"tracker","version":"1.2.3","title":"T","summary":"","license":"Apache-2.0",
                       "abi":{{"major":1,"minor":0}},"isolation":"sandboxed",
                       "permissions":[{}],
                       "libraries":{{"linux-x86_64":{{"path":"lib/plugin.so"}}}},"operations":[{}]}})",
                  permissions, list),
      std::move(files));
  EXPECT_TRUE(bytes) << bytes.error().message();
  return bytes.value_or(base::Bytes());
}

/// Of a program that speaks lines of JSON by itself; "quiet" keeps every promise, "dials" opens a socket to the kernel,
/// and "attempts" sends another body when it is made again.
constexpr std::string_view program = R"py(
import errno, json, socket
lines = socket.socket(fileno=3).makefile("rw")
def say(**frame):
    lines.write(json.dumps(frame) + "\n")
    lines.flush()
waiting = {}
for line in lines:
    frame = json.loads(line)
    if "begin" in frame:
        say(ready={"operations": ["quiet", "dials", "attempts"]})
    elif "invoke" in frame:
        call = frame["invoke"]
        if call["operation"] == "dials":
            try:
                socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
            except OSError as error:
                assert error.errno == errno.EAFNOSUPPORT, error
        if call["operation"] == "attempts":
            waiting[7] = call["call"]
            say(http_request={"call": call["call"], "request": 7, "connection": call["connection"],
                              "method": "POST", "path": "/x", "body": str(call["attempt"])})
        else:
            say(answer={"call": call["call"], "output": []})
    elif "http_response" in frame or "http_error" in frame:
        say(answer={"call": waiting.pop(7), "output": []})
    elif "ping" in frame:
        say(pong=frame["ping"])
    elif "end" in frame:
        break
)py";

base::Bytes program_package_of(const std::vector<std::string>& operations) {
  std::string list;
  for (const std::string_view name : {"quiet", "dials", "attempts"}) {
    const bool has_example = std::ranges::find(operations, name) != operations.end();
    list += fmt::format(
        R"({}{{"name":"{}","title":"T","idempotent":true,"output":true,"input":{{"type":"object","examples":[{}]}}}})",
        list.empty() ? "" : ",", name, has_example ? "{}" : "");
  }
  std::vector<package::File> files;
  files.push_back({"program/main.py", base::to_bytes(program)});
  const auto bytes = package::assemble(
      fmt::format(R"({{"manifest":1,"id":"tracker","version":"1.2.3","title":"T","summary":"","license":"Apache-2.0",
                       "abi":{{"major":1,"minor":0}},"isolation":"sandboxed","runtime":"process",
                       "program":{{"interpreter":"python3","file":"program/main.py"}},
                       "permissions":["http"],"operations":[{}]}})",
                  list),
      std::move(files));
  EXPECT_TRUE(bytes) << bytes.error().message();
  return bytes.value_or(base::Bytes());
}

class PluginValidation : public testing::Test {
 protected:
  Validation validate(const base::Bytes& package, std::uint64_t call_timeout_ms = 60'000,
                      std::chrono::milliseconds check_time_max = std::chrono::seconds(60)) {
    const auto scratch = base::ScratchFolder::make("plugin-validation", testing::TempDir());
    EXPECT_TRUE(scratch);
    auto validation = validate_plugin(package,
                                      {.program = TRV_PLUGIN_HOST,
                                       .scratch = scratch->path(),
                                       .check_time_max = check_time_max,
                                       .call_timeout_ms = call_timeout_ms},
                                      clock_);
    EXPECT_TRUE(validation) << validation.error().message();
    return validation ? *std::move(validation) : Validation{};
  }
  static std::vector<std::string> findings(const Validation& validation, std::string_view name, CheckMode mode) {
    const auto found = std::ranges::find_if(
        validation.checks, [&](const CheckReport& check) { return check.name == name && check.mode == mode; });
    EXPECT_NE(found, validation.checks.end()) << name;
    return found == validation.checks.end() ? std::vector<std::string>() : found->findings;
  }
  static std::vector<std::string> isolated(const Validation& validation, std::string_view name) {
    return findings(validation, name, CheckMode::isolated);
  }
  static std::vector<std::string> all_findings(const Validation& validation) {
    std::vector<std::string> all;
    for (const CheckReport& check : validation.checks) {
      for (const std::string& finding : check.findings) all.push_back(check.name + ": " + finding);
    }
    return all;
  }
  static constexpr std::string_view left = "system_calls_are_those_that_the_sandbox_leaves";
  static constexpr std::string_view retried = "a_call_that_was_killed_is_made_again";
  static constexpr std::string_view answered = "examples_are_answered_whatever_a_service_answers";
  static constexpr std::string_view same = "answers_are_those_of_the_same_call_in_process";

  base::SystemClock clock_;
};

TEST_F(PluginValidation, a_plugin_without_a_defect_holds_in_both_modes_and_its_report_says_so) {
  const Validation validation = validate(package_of({"good", "ask", "twice"}));
  EXPECT_THAT(all_findings(validation), IsEmpty());
  EXPECT_TRUE(validation.holds());
  EXPECT_EQ(validation.calls_compared, 3U * 12U);
  ASSERT_TRUE(validation.walls);
  const json::Value report = to_value(validation);
  EXPECT_TRUE(report.find("holds")->as_bool());
  EXPECT_EQ(report.find("package")->as_string().size(), 64U);
  EXPECT_TRUE(report.find("walls")->find("systemCalls")->as_bool());
  const std::string text = json::serialize(report);
  EXPECT_THAT(text, HasSubstr(R"({"name":"examples_are_answered","mode":"in-process","holds":true,"findings":[]})"));
  EXPECT_THAT(text, HasSubstr(R"("mode":"isolated","holds":true)"));
}

TEST_F(PluginValidation, an_answer_that_is_another_one_when_isolated_is_found) {
  const Validation validation = validate(package_of({"good", "dial"}));
  EXPECT_FALSE(validation.holds());
  EXPECT_THAT(isolated(validation, answered), IsEmpty());
  EXPECT_THAT(isolated(validation, same),
              Contains("operation dial, example 1, requests ended with answer 200 with 2 bytes of body: in-process it "
                       "answers \"true\", isolated it fails with code 8, retry 0 after 0 ms, status 0: \"no socket\""));
  EXPECT_THAT(isolated(validation, same), Not(Contains(HasSubstr("operation good"))));
}

TEST_F(PluginValidation, a_crash_names_its_operation_in_both_modes_and_the_others_are_called_all_the_same) {
  const Validation validation = validate(package_of({"good", "crash", "ask"}));
  EXPECT_THAT(findings(validation, "examples_are_answered", CheckMode::in_process),
              Contains("operation crash, the answer to request 1: crashed with signal 6 (Aborted)"));
  const auto found = isolated(validation, answered);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0], HasSubstr("operation crash, example 1, requests ended with answer 200 with 2 bytes of body: it "
                                  "crashed: "));
  EXPECT_THAT(found[0], HasSubstr("it crashed (Aborted)"));
  EXPECT_THAT(isolated(validation, same), Contains(HasSubstr("could not be made in-process: operation crash")));
}

TEST_F(PluginValidation, a_hang_names_its_operation_in_both_modes) {
  const Validation validation = validate(package_of({"good", "hang"}), 500, std::chrono::seconds(1));
  EXPECT_THAT(all_findings(validation), Contains(HasSubstr("operation hang: did not end within 1 s")));
  const auto found = isolated(validation, answered);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0], HasSubstr("operation hang, example 1, "));
  EXPECT_THAT(found[0], HasSubstr("it hung: plugin 'tracker' 1.2.3 did not answer within 500 ms"));
}

TEST_F(PluginValidation, a_system_call_that_the_sandbox_denies_is_found_with_its_name) {
  const Validation validation = validate(package_of({"good", "dial", "peek"}));
  EXPECT_THAT(isolated(validation, left),
              ElementsAre("operation dial, example 1, requests ended with answer 200 with 2 bytes of body: it called "
                          "socket(), which the sandbox denies",
                          "operation peek, example 1, requests ended with answer 200 with 2 bytes of body: it called "
                          "openat(), which the sandbox denies"));
  // The answers are those that the calls get where nobody listens.
  EXPECT_THAT(isolated(validation, same), Contains(HasSubstr("\"no socket\"")));
  EXPECT_THAT(isolated(validation, same), Contains(HasSubstr("\"no file\"")));
  const Validation of_program = validate(program_package_of({"quiet", "dials"}));
  EXPECT_THAT(isolated(of_program, answered), IsEmpty());
  ASSERT_EQ(isolated(of_program, left).size(), 1U) << testing::PrintToString(all_findings(of_program));
  EXPECT_THAT(isolated(of_program, left)[0], HasSubstr("operation dials"));
  EXPECT_THAT(isolated(of_program, left)[0], HasSubstr("it called socket(), which the sandbox denies"));
}

TEST_F(PluginValidation, a_program_without_a_defect_holds) {
  const Validation validation = validate(program_package_of({"quiet"}));
  EXPECT_THAT(all_findings(validation), IsEmpty());
  EXPECT_TRUE(validation.holds());
}

TEST_F(PluginValidation, a_call_that_was_killed_has_to_do_the_same_when_it_is_made_again) {
  const Validation validation = validate(package_of({"good", "ask", "twice", "attempts", "tally"}));
  EXPECT_THAT(
      isolated(validation, retried),
      UnorderedElementsAre(
          "operation attempts, example 1, killed at its request 1 and made again: with the idempotency key "
          "conformance/killed it sends POST /things attempt 2, and without a kill POST /things attempt 1: a service "
          "would "
          "take one for the other",
          "operation tally, example 1, killed at its request 2 and made again: it answers 2, and without a kill 1"));
  EXPECT_THAT(validation.remarks, Contains(HasSubstr("operation good: asks the host for nothing")));
  const Validation of_program = validate(program_package_of({"attempts"}));
  ASSERT_EQ(isolated(of_program, retried).size(), 1U) << testing::PrintToString(all_findings(of_program));
  EXPECT_THAT(isolated(of_program, retried)[0], HasSubstr("it sends POST /x 2, and without a kill POST /x 1"));
}

TEST_F(PluginValidation, what_the_manifest_does_not_ask_for_is_found_in_both_modes) {
  const Validation validation = validate(package_of({"ask", "twice"}, {}, R"("http-read","kv")"));
  const auto here = findings(validation, "what_it_asks_for_is_in_its_manifest", CheckMode::in_process);
  EXPECT_THAT(here, Contains(HasSubstr("operation ask: sends POST, and the manifest does not ask for")));
  EXPECT_THAT(here, Contains(HasSubstr("operation twice: emits com.tracker.counted")));
  EXPECT_THAT(isolated(validation, same),
              Contains(AllOf(HasSubstr("operation ask, example 1, requests ended with answer 200 with 2 bytes of body: "
                                       "in-process it sends \"POST\""),
                             HasSubstr("isolated it fails with code 3"))));
  EXPECT_THAT(isolated(validation, same), Contains(HasSubstr("operation twice, ")));
}

TEST_F(PluginValidation, what_cannot_be_compared_is_said) {
  const Validation validation = validate(package_of({"count", "sleep-long"}));
  EXPECT_THAT(isolated(validation, same), IsEmpty());
  EXPECT_EQ(validation.calls_compared, 0U);
  EXPECT_THAT(validation.remarks, Contains(HasSubstr("12 calls wait for time")));
  EXPECT_THAT(validation.remarks, Contains(HasSubstr("operation count: two calls with the same input differ")));
}

TEST_F(PluginValidation, what_changes_as_time_goes_on_is_not_compared) {
  const Validation validation = validate(package_of({"good", "process"}));
  EXPECT_THAT(isolated(validation, same), IsEmpty());
  EXPECT_EQ(validation.calls_compared, 12U) << "those of good";
  EXPECT_THAT(validation.remarks, Contains(HasSubstr("operation process: two calls with the same input differ")));
  EXPECT_TRUE(validation.holds());
}

TEST_F(PluginValidation, an_operation_that_the_library_lacks_is_found_when_it_starts) {
  const Validation validation = validate(package_of({"good"}, "gone"));
  EXPECT_THAT(isolated(validation, "it_starts_behind_walls_and_is_well"), Contains(HasSubstr("gone")));
  EXPECT_FALSE(validation.holds());
}

TEST_F(PluginValidation, a_library_of_another_machine_is_an_error) {
  const auto scratch = base::ScratchFolder::make("plugin-validation", testing::TempDir());
  ASSERT_TRUE(scratch);
  const auto validation =
      validate_plugin(base::to_bytes("no archive"), {.program = TRV_PLUGIN_HOST, .scratch = scratch->path()}, clock_);
  ASSERT_FALSE(validation);
  EXPECT_EQ(validation.error().code(), base::ErrorCode::invalid);
}

}  // namespace
}  // namespace trv::plugin_run
