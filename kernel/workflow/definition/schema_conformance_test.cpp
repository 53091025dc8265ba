// The specification's own schema of the language is a large schema of somebody else's: it has to compile here, and to
// take the specification's examples. Prints what that costs.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "kernel/json/parse.hpp"
#include "kernel/json_schema/schema.hpp"
#include "kernel/workflow/definition/node.hpp"

namespace trv::definition {
namespace {

std::filesystem::path conformance_folder() {
  const char* given = std::getenv("TRV_CONFORMANCE_DIR");
  return std::filesystem::path(given != nullptr ? given : TRV_SOURCE_DIR "/../shared/conformance") / "open-workflow";
}

json::Value read_yaml(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::stringstream text;
  text << stream.rdbuf();
  const auto node = read(text.str(), Format::yaml);
  EXPECT_TRUE(node) << file << ": " << node.error().message();
  if (!node) return {};
  auto value = json::parse(to_json(*node), {.bytes_max = 4 * text_bytes_max, .depth_max = 512});
  EXPECT_TRUE(value) << file;
  return value ? *value : json::Value();
}

TEST(LanguageSchema, compiles_takes_every_example_and_names_what_is_missing) {
  const std::filesystem::path folder = conformance_folder();
  if (!std::filesystem::exists(folder / "schema")) GTEST_SKIP() << "no schema at " << folder;
  const json::Value text = read_yaml(folder / "schema" / "workflow.yaml");
  using Clock = std::chrono::steady_clock;
  const auto ms = [](Clock::duration took) { return std::chrono::duration<double, std::milli>(took).count(); };
  const auto begin = Clock::now();
  const auto schema = json_schema::compile(text);
  const double compile_ms = ms(Clock::now() - begin);
  ASSERT_TRUE(schema) << schema.error().to_error().message();
  int count = 0;
  double validate_ms = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder / "examples")) {
    const json::Value example = read_yaml(file.path());
    const auto start = Clock::now();
    const auto problems = schema->validate(example);
    validate_ms += ms(Clock::now() - start);
    ++count;
    ASSERT_TRUE(problems) << file.path() << ": " << problems.error().message();
    EXPECT_TRUE(problems->empty()) << file.path() << ": " << json_schema::to_text(*problems);
    // Without what every definition has.
    json::Value wrong = example;
    EXPECT_TRUE(wrong.erase("document"));
    const auto missing = schema->validate(wrong);
    ASSERT_TRUE(missing && !missing->empty()) << file.path();
    EXPECT_EQ(missing->front().sentence, "the property \"document\" is missing") << file.path();
  }
  EXPECT_GT(count, 0);
  std::cout << "the language's schema: compiled in " << compile_ms << " ms, " << count << " examples in "
            << validate_ms / count << " ms each\n";
}

}  // namespace
}  // namespace trv::definition
