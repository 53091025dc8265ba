// Runs jq's own test files and holds the result against a reviewed list: a case outside the list that fails, or a
// listed one that passes, is a failure.

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/expression/program.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::expression {
namespace {

struct ExpectedFailure {
  std::string_view file;
  int line;  // of the program
  std::string_view reason;
};

constexpr auto expected_failures = std::to_array<ExpectedFailure>({
    {"jq.test", 1306, "NaN and Infinity are not JSON"},
    {"jq.test", 1900, "modules are left out"},
    {"jq.test", 1904, "modules are left out"},
    {"jq.test", 1908, "modules are left out"},
    {"jq.test", 1912, "modules are left out"},
    {"jq.test", 1917, "modules are left out"},
    {"jq.test", 1921, "modules are left out"},
    {"jq.test", 1925, "modules are left out"},
    {"jq.test", 1929, "modules are left out"},
    {"jq.test", 1969, "modules are left out"},
    {"jq.test", 1973, "modules are left out"},
    {"jq.test", 1977, "modules are left out"},
    {"jq.test", 1993, "modules are left out"},
    {"jq.test", 2196, "64-bit integers are exact here, in literals and in arithmetic"},
    {"jq.test", 2200, "64-bit integers are exact here, in literals and in arithmetic"},
    {"jq.test", 2204, "64-bit integers are exact here, in literals and in arithmetic"},
    {"jq.test", 2211, "64-bit integers are exact here, in literals and in arithmetic"},
    {"jq.test", 2215, "64-bit integers are exact here, in literals and in arithmetic"},
    {"jq.test", 2219, "64-bit integers are exact here, in literals and in arithmetic"},
    {"jq.test", 2224, "64-bit integers are exact here, in literals and in arithmetic"},
    {"jq.test", 2241, "64-bit integers are exact here, in literals and in arithmetic"},
    {"jq.test", 2319, "NaN and Infinity are not JSON"},
    {"jq.test", 2324, "the parser's message names line, column and what was expected in its own words"},
    {"jq.test", 2337, "input and debugging are left out"},
    {"jq.test", 2341, "input and debugging are left out"},
    {"jq.test", 2359, "raises an error after its output; evaluate_all answers with the error alone"},
    {"jq.test", 2407, "NaN and Infinity are not JSON"},
    {"jq.test", 2498, "the parser's message names line, column and what was expected in its own words"},
    {"man.test", 13, "64-bit integers are exact here, in literals and in arithmetic"},
    {"man.test", 686, "the process environment is left out"},
    {"man.test", 690, "the process environment is left out"},
});

struct Case {
  int line = 0;
  bool must_fail = false;
  bool raises = false;
  std::string program;
  std::string input;
  std::vector<std::string> outputs;
};

std::filesystem::path conformance_folder() {
  const char* folder = std::getenv("TRV_CONFORMANCE_DIR");
  return folder != nullptr ? std::filesystem::path(folder)
                           : std::filesystem::path(TRV_SOURCE_DIR) / ".." / "shared" / "conformance";
}

std::vector<Case> read_cases(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::vector<std::pair<int, std::string>>> groups(1);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::size_t first = line.find_first_not_of(" \t");
    if (first == std::string::npos) {
      if (!groups.back().empty()) groups.emplace_back();
    } else if (line[first] != '#' || line.find("Runtime error") != std::string::npos) {
      groups.back().emplace_back(number, line);
    }
  }
  std::vector<Case> cases;
  for (const auto& group : groups) {
    if (group.empty()) continue;
    Case test;
    test.must_fail = group[0].second.starts_with("%%FAIL");
    const std::size_t at = test.must_fail ? 1 : 0;
    if (group.size() <= at) continue;
    test.line = group[at].first;
    test.program = group[at].second;
    if (!test.must_fail) {
      if (group.size() > 1) test.input = group[1].second;
      for (std::size_t i = 2; i < group.size(); ++i) {
        if (group[i].second.starts_with('#')) {
          test.raises = true;
        } else {
          test.outputs.push_back(group[i].second);
        }
      }
    }
    cases.push_back(std::move(test));
  }
  return cases;
}

// Empty where the case passes, else what went wrong.
std::string run(const Case& test) {
  const auto program = compile(test.program);
  if (test.must_fail) return program ? "compiled" : "";
  if (!program) return "does not compile: " + program.error().message();
  const auto input = json::parse(test.input, {.large_numbers = json::LargeNumbers::largest});
  if (!input) return "the input is not JSON: " + input.error().message();
  Budget budget;
  budget.fuel = 20'000'000;
  const auto outputs = evaluate_all(*program, *input, {}, budget);
  if (test.raises) return outputs ? "raises no error" : "";
  if (!outputs) return "error: " + outputs.error().message();
  std::string got;
  for (const json::Value& output : *outputs) got += json::serialize(output).substr(0, 400) + "\n";
  if (outputs->size() != test.outputs.size()) return "a different number of outputs:\n" + got;
  for (std::size_t i = 0; i < outputs->size(); ++i) {
    const auto expected = json::parse(test.outputs[i], {.large_numbers = json::LargeNumbers::largest});
    if (!expected) return "the expected output is not JSON";
    if (*expected != (*outputs)[i]) return "different outputs:\n" + got;
  }
  return "";
}

class JqConformance : public testing::TestWithParam<const char*> {};

TEST_P(JqConformance, agrees_with_jq_but_for_the_reviewed_list) {
  const std::string name = GetParam();
  const auto path = conformance_folder() / "jq" / name;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here; set TRV_CONFORMANCE_DIR";
  std::map<int, std::string_view> expected;
  for (const auto& failure : expected_failures) {
    if (failure.file == name) expected.emplace(failure.line, failure.reason);
  }
  int passed = 0;
  int listed = 0;
  const auto cases = read_cases(path);
  for (const Case& test : cases) {
    const std::string problem = run(test);
    const bool is_listed = expected.contains(test.line);
    if (problem.empty() == is_listed) {
      ADD_FAILURE() << name << ":" << test.line << ": " << test.program << "\n"
                    << (is_listed ? "passes, but is listed as failing" : problem);
    }
    passed += problem.empty() ? 1 : 0;
    listed += is_listed ? 1 : 0;
  }
  std::cout << name << ": " << passed << " of " << cases.size() << " pass, " << listed << " listed as different\n";
  EXPECT_GE(cases.size(), 10U);
}

INSTANTIATE_TEST_SUITE_P(Files, JqConformance, testing::Values("jq.test", "man.test", "base64.test", "uri.test"),
                         [](const auto& file) {
                           const std::string name = file.param;
                           return name.substr(0, name.find('.'));
                         });

}  // namespace
}  // namespace trv::expression
