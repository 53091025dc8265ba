#include "kernel/plugin_run/fuzzing.hpp"

#include <fmt/format.h>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/json_schema/schema.hpp"
#include "kernel/plugin_host/testing/plugin_host_fixture.hpp"
#include "kernel/plugin_run/fuzz_answers.hpp"
#include "kernel/plugin_run/fuzz_input.hpp"
#include "kernel/plugin_run/plugin_run.hpp"
#include "sdk/base/scratch_folder.hpp"

namespace trv::plugin_run {
namespace {

using testing::HasSubstr;

class PluginFuzz : public testing::Test {
 protected:
  base::Result<FuzzOutcome> fuzz(const std::vector<const char*>& operations, FuzzSetup setup) {
    return fuzz_package(package_of(operations), std::move(setup));
  }
  base::Result<FuzzOutcome> fuzz_package(const base::Bytes& package, FuzzSetup setup) {
    const auto scratch = base::ScratchFolder::make("plugin-fuzz", testing::TempDir());
    EXPECT_TRUE(scratch);
    setup.program = TRV_PLUGIN_HOST;
    setup.scratch = scratch->path();
    setup.connection = "service";
    setup.time_max = std::chrono::minutes(10);
    setup.found = [this](const Finding& finding) { found_.push_back(finding); };
    return fuzz_plugin(package, setup, clock_);
  }
  static base::Bytes package_of(const std::vector<const char*>& operations) {
    return plugin_host::package_of("good", R"(,"permissions":["http","kv"])", 1, "linux-x86_64", "sandboxed",
                                   operations);
  }

  base::SystemClock clock_;
  std::vector<Finding> found_;
};

TEST_F(PluginFuzz, what_takes_everything_has_no_findings) {
  const auto outcome = fuzz({"echo", "describe", "keep"}, {.seed = 7, .runs_max = 300});
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_EQ(outcome->runs, 300U);
  EXPECT_GT(outcome->answered, 150U);
  EXPECT_TRUE(found_.empty()) << found_.front().message;
}

TEST_F(PluginFuzz, a_program_whose_interpreter_ends_is_found) {
  constexpr std::string_view program = R"py(
import json, os, socket
lines = socket.socket(fileno=3).makefile("rw")
def say(**frame):
    lines.write(json.dumps(frame) + "\n")
    lines.flush()
for line in lines:
    frame = json.loads(line)
    if "begin" in frame:
        say(ready={})
    elif "invoke" in frame:
        if frame["invoke"]["input"]["n"] < 0:
            os.abort()
        say(answer={"call": frame["invoke"]["call"], "output": {}})
    elif "ping" in frame:
        say(pong=frame["ping"])
    elif "end" in frame:
        break
)py";
  std::vector<package::File> files;
  files.push_back({"program/main.py", base::to_bytes(program)});
  const auto package = package::assemble(
      R"({"manifest":1,"id":"tracker","version":"1.2.3","title":"T","summary":"","license":"Apache-2.0",)"
      R"("abi":{"major":1,"minor":0},"isolation":"sandboxed","runtime":"process",)"
      R"("program":{"interpreter":"python3","file":"program/main.py"},"operations":[{"name":"brittle","title":"T","idempotent":true,"output":true,)"
      R"("input":{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}}]})",
      std::move(files));
  ASSERT_TRUE(package) << package.error().message();
  const auto outcome = fuzz_package(*package, {.seed = 3, .runs_max = 40});
  ASSERT_TRUE(outcome) << outcome.error().message();
  ASSERT_EQ(found_.size(), 1U) << "the same is reported once";
  EXPECT_EQ(found_.front().kind, Finding::Kind::crash);
  EXPECT_THAT(found_.front().input, HasSubstr("-"));
  EXPECT_GT(outcome->answered, 0U);
}

TEST_F(PluginFuzz, an_input_that_crashes_is_found_again_by_its_seed_and_repeated_by_run) {
  const FuzzSetup setup{.seed = 11, .runs_max = 300};
  const auto outcome = fuzz({"brittle"}, setup);
  ASSERT_TRUE(outcome) << outcome.error().message();
  ASSERT_FALSE(found_.empty()) << "the planted bug is not found";
  const Finding first = found_.front();
  EXPECT_EQ(first.kind, Finding::Kind::crash);
  EXPECT_EQ(first.operation, "brittle");
  EXPECT_GE(outcome->findings.at("crash"), 1U);
  EXPECT_EQ(found_.size(), 1U) << "the same is reported once";
  EXPECT_GT(outcome->answered, 0U) << "those after it have a new process";

  found_.clear();
  ASSERT_TRUE(fuzz({"brittle"}, setup));
  ASSERT_FALSE(found_.empty());
  EXPECT_EQ(found_.front().run, first.run);
  EXPECT_EQ(found_.front().input, first.input);

  const auto scratch = base::ScratchFolder::make("plugin-run", testing::TempDir());
  ASSERT_TRUE(scratch);
  const auto repeated = run_operation(package_of({"brittle"}), {.operation = "brittle", .input = first.input},
                                      {.program = TRV_PLUGIN_HOST, .scratch = scratch->path()}, clock_);
  ASSERT_TRUE(repeated) << repeated.error().message();
  ASSERT_FALSE(repeated->call);
  EXPECT_TRUE(repeated->call.error().has_died) << repeated->call.error().message;
}

TEST_F(PluginFuzz, what_does_not_answer_in_time_hangs_and_the_next_call_is_made) {
  const auto outcome = fuzz({"never"}, {.seed = 3, .runs_max = 2, .call_timeout_ms = 300});
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_EQ(outcome->runs, 2U);
  EXPECT_EQ(outcome->findings.at("hang"), 2U);
  ASSERT_EQ(found_.size(), 1U);
  EXPECT_EQ(found_[0].kind, Finding::Kind::hang);
}

TEST_F(PluginFuzz, a_defect_is_one_and_what_a_service_answers_is_none) {
  const auto defect = fuzz({"not-json"}, {.seed = 3, .runs_max = 3});
  ASSERT_TRUE(defect) << defect.error().message();
  ASSERT_EQ(found_.size(), 1U);
  EXPECT_EQ(found_[0].kind, Finding::Kind::defect);
  found_.clear();
  const auto failed = fuzz({"fail"}, {.seed = 3, .runs_max = 3});
  ASSERT_TRUE(failed);
  EXPECT_TRUE(found_.empty()) << "a failure with a code is an answer";
  EXPECT_EQ(failed->failed.at("exhausted"), 3U);
}

TEST_F(PluginFuzz, an_operation_that_is_not_there_is_named) {
  const auto outcome = fuzz({"echo"}, {.operations = {"ehco"}, .seed = 1, .runs_max = 1});
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().message(), HasSubstr("has no operation 'ehco'; it has echo"));
}

json::Value schema(const char* text) {
  return json::parse(text).value();
}

TEST(FuzzInput, most_inputs_match_the_schema_and_the_same_seed_gives_the_same) {
  const json::Value of = schema(
      R"({"type":"object","required":["name","rows"],"additionalProperties":false,
          "properties":{"name":{"type":"string","minLength":1,"maxLength":40},"count":{"type":"integer","minimum":1,"maximum":9},
            "ratio":{"type":"number","minimum":0},"state":{"enum":["open","closed"]},"maybe":{"type":["string","null"]},
            "rows":{"type":"array","minItems":1,"maxItems":5,"items":{"$ref":"#/$defs/row"}}},
          "$defs":{"row":{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}}},
          "examples":[{"name":"x","rows":[{"id":1}]}]})");
  const auto compiled = json_schema::compile(of);
  ASSERT_TRUE(compiled);
  base::SimulatedRandom random(5);
  base::SimulatedRandom again(5);
  InputMaker maker(of, random);
  InputMaker same(of, again);
  std::set<std::string> all;
  int matching = 0;
  for (int i = 0; i < 500; ++i) {
    const json::Value input = maker.make();
    EXPECT_EQ(json::serialize(input), json::serialize(same.make()));
    const auto problems = compiled->validate(input);
    ASSERT_TRUE(problems);
    if (problems->empty()) ++matching;
    all.insert(json::serialize(input));
  }
  EXPECT_GT(matching, 400);
  EXPECT_GT(all.size(), 300U) << "they differ";
  const auto some = [&](std::string_view part) {
    return std::ranges::any_of(all, [&](const std::string& one) { return one.find(part) != std::string::npos; });
  };
  for (const char* part :
       {"\"count\":1,", "\"count\":9", "\"closed\"", "\"maybe\":null", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"}) {
    EXPECT_TRUE(some(part)) << part;
  }
}

TEST(FuzzInput, a_schema_that_contains_itself_ends) {
  const json::Value of =
      schema(R"({"$ref":"#/$defs/a","$defs":{"a":{"type":"array","minItems":1,"items":{"$ref":"#/$defs/a"}}}})");
  base::SimulatedRandom random(1);
  InputMaker maker(of, random);
  for (int i = 0; i < 50; ++i) EXPECT_LT(json::serialize(maker.make()).size(), 5'000'000U);
}

TEST(FuzzAnswers, a_seed_gives_the_same_answers) {
  const auto answers = [](std::uint64_t seed) {
    FuzzAnswers sender({"id"});
    (void)sender.begin(seed);
    for (int i = 0; i < 20; ++i) {
      egress::Request request;
      request.connection = "service";
      request.method = "GET";
      request.path = fmt::format("/{}", i);
      sender.send(std::move(request), [](const base::Result<egress::Response>&) {});
    }
    return to_text({.exchanges = sender.begin(0)});
  };
  EXPECT_EQ(answers(1), answers(1));
  EXPECT_NE(answers(1), answers(2));
}

}  // namespace
}  // namespace trv::plugin_run
