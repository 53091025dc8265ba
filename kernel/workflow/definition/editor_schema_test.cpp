// The schema for editors against our own validator: what compiles passes, what has a wrong shape does not.

#include "kernel/workflow/definition/editor_schema.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "kernel/json/parse.hpp"
#include "kernel/json_schema/schema.hpp"
#include "kernel/workflow/definition/check.hpp"

namespace trv::definition {
namespace {

namespace files = std::filesystem;

const std::string head = "document: {dsl: '1.0.3', namespace: test, name: it, version: '1.0.0'}\n";

std::string contents(const files::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// What the schema has against a JSON text; empty: nothing.
std::string problems_of(const std::string& text) {
  static const auto schema = json_schema::compile(editor_schema());
  EXPECT_TRUE(schema) << schema.error().sentence;
  const auto value = json::parse(text, {.bytes_max = 1'000'000, .depth_max = 128});
  EXPECT_TRUE(value) << text;
  if (!schema || !value) return "not readable";
  const auto problems = schema->validate(*value);
  if (!problems) return problems.error().message();
  std::string out;
  for (const json_schema::Problem& problem : *problems) {
    out += problem.instance_path + ": " + problem.sentence + "\n";
  }
  return out;
}

/// Passes what compiles; gives whether it did.
bool passes(const std::string& name, const std::string& text) {
  const auto root = read(text, Format::yaml);
  if (!root || check(text, Format::yaml).errors > 0) return false;
  EXPECT_EQ(problems_of(to_json(*root)), "") << name << "\n" << text;
  return true;
}

TEST(EditorSchema, takes_every_workflow_of_the_behaviour_suite) {
  int taken = 0;
  for (const auto& file : files::directory_iterator(files::path(TRV_SOURCE_DIR) / "tests/behaviour")) {
    const auto root = read(contents(file.path()), Format::yaml);
    ASSERT_TRUE(root) << file.path() << root.error().message();
    const Node* cases = root->find("cases");
    ASSERT_NE(cases, nullptr) << file.path();
    const auto take = [&](const Node* workflow) {
      if (workflow == nullptr || !workflow->is_mapping()) return;
      std::string text = to_json(*workflow);
      if (workflow->find("document") == nullptr) {
        text = R"({"document":{"dsl":"1.0.3","namespace":"test","name":"it","version":"1.0.0"},)" + text.substr(1);
      }
      taken += passes(file.path().filename(), text) ? 1 : 0;
    };
    for (const Node& one : cases->items) {
      take(one.find("workflow"));
      if (const Node* others = one.find("others")) {
        for (const Node& other : others->items) take(&other);
      }
    }
  }
  EXPECT_GE(taken, 300);
}

TEST(EditorSchema, takes_every_example_of_the_specification_that_is_supported) {
  const char* folder = std::getenv("TRV_CONFORMANCE");
  const files::path examples =
      files::path(folder == nullptr ? TRV_SOURCE_DIR "/../shared/conformance" : folder) / "open-workflow/examples";
  if (!files::exists(examples)) GTEST_SKIP() << "no examples at " << examples;
  int taken = 0;
  for (const auto& file : files::directory_iterator(examples)) {
    taken += passes(file.path().filename(), contents(file.path())) ? 1 : 0;
  }
  EXPECT_GE(taken, 40);
}

TEST(EditorSchema, takes_every_workflow_of_the_guides) {
  int taken = 0;
  for (const auto& file : files::directory_iterator(files::path(TRV_SOURCE_DIR) / "docs/guides")) {
    std::ifstream stream(file.path());
    std::string text;
    bool is_within = false;
    for (std::string line; std::getline(stream, line);) {
      if (!is_within && line.starts_with("```yaml")) {
        is_within = true;
        text = line == "```yaml" ? head : "";
      } else if (is_within && line == "```") {
        is_within = false;
        taken += passes(file.path().filename(), text) ? 1 : 0;
      } else if (is_within) {
        text += line + "\n";
      }
    }
  }
  EXPECT_GE(taken, 10);
}

TEST(EditorSchema, refuses_wrong_shapes) {
  // The others are wrong in names, expressions or syntax, not in their shape.
  const std::set<std::string> shapes = {"calls",        "document",          "dos",       "durations", "event-filters",
                                        "language-0.8", "lists-and-numbers", "merge-key", "misplaced", "set",
                                        "two-kinds"};
  std::size_t seen = 0;
  for (const std::string& name : shapes) {
    const std::string text = contents(files::path(TRV_SOURCE_DIR) / "tests/golden/problems" / (name + ".yaml"));
    ASSERT_FALSE(text.empty()) << name;
    if (name == "merge-key") continue;  // YAML of its own kind, which the reader refuses
    const auto root = read(text, Format::yaml);
    ASSERT_TRUE(root) << name << root.error().message();
    EXPECT_NE(problems_of(to_json(*root)), "") << name;
    ++seen;
  }
  EXPECT_EQ(seen, shapes.size() - 1);
  // Each task of them by itself, so that one does not hide another.
  for (const std::string rest :
       {"do: [{a: {call: http, with: {method: FETCH, endpoint: 'https://example.com'}}}]",
        "do: [{a: {call: http, with: {method: get, endpoint: 'https://example.com', headers: []}}}]",
        "do: [{a: {call: http, with: {method: get, endpoint: example.com}}}]",
        "do: [{a: {call: http, method: get, endpoint: 'https://example.com'}}]",
        "do: [{a: {wait: 5m}}]",
        "do: [{a: {wait: 5}}]",
        "do: [{a: {wait: {minuts: 5}}}]",
        "do: [{a: {wait: PT1S, timeout: PT5S}}]",
        "do: [{a: {wait: PT1S, timeout: 5s}}]",
        "do: [{a: {set: {x: 1}, wait: PT1S}}]",
        "do: [{a: {set: {}}}]",
        "do: [{a: {set: 'x:1'}}]",
        "do: [{a: {set: [1]}}]",
        "do: [{a: {for: {in: [1]}, do: [{b: {wait: PT1S}}]}}]",
        "do: [{a: {for: {in: .x}}}]",
        "do: [{a: {try: [{b: {wait: PT1S}}]}}]",
        "do: []",
        "do: [{a: {}}]",
        "do: [{end: {wait: PT1S}}]",
        "do: [{a: {wait: PT1S, while: .x}}]",
        "do: [{a: {listen: {to: {one: {with: {type: true}}}}}}]",
        "do: [{a: {listen: {one: {with: {type: x}}}}}]",
        "do: [{a: {listen: {to: {one: {with: {}}}}}}]",
        "do: [{a: {raise: {error: {type: x, status: 4}}}}]",
        "do: [{a: {emit: {event: {type: x}}}}]",
        "do: [{a: {fork: {compete: 1, branches: [{b: {wait: PT1S}}]}}}]",
        "do: [{a: {switch: [{x: {wen: .x, then: end}}]}}]",
        "input: {fro: .x}\ndo: [{a: {wait: PT1S}}]",
        "timeout: {after: soon}\ndo: [{a: {wait: PT1S}}]",
        "schedule: {evry: PT1S}\ndo: [{a: {wait: PT1S}}]",
        "use: {secrets: a}\ndo: [{a: {wait: PT1S}}]"}) {
    const std::string text = head + rest + "\n";
    const auto root = read(text, Format::yaml);
    ASSERT_TRUE(root) << text << root.error().message();
    EXPECT_GT(check(text, Format::yaml).errors, 0U) << rest;
    EXPECT_NE(problems_of(to_json(*root)), "") << rest;
  }
}

TEST(EditorSchema, has_a_sentence_for_every_property_of_a_task) {
  const json::Value schema = editor_schema();
  const json::Value* task = schema.find("$defs")->find("task");
  ASSERT_NE(task, nullptr);
  for (const auto& [name, property] : task->find("properties")->entries()) {
    if (name.as_string() == "foreach") continue;  // has a title of its own
    EXPECT_NE(property.find("description"), nullptr) << name.as_string();
  }
}

}  // namespace
}  // namespace trv::definition
