// Data that does not match its schema is a validation error of the workflow.

#include <string>
#include <string_view>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

/// The output, or "status: type status instance detail".
std::string run(std::string_view rest, std::string_view input) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(document(rest)), input);
  const InstanceDetail detail = kernel.detail(id);
  if (detail.summary.status == Status::completed) return detail.output;
  const json::Value error = good(json::parse(detail.error));
  const auto text = [&](std::string_view name) { return std::string(error.find(name)->as_string()); };
  return std::string(to_string(detail.summary.status)) + ": " +
         text("type").substr(text("type").find_last_of('/') + 1) + " " +
         std::to_string(error.find("status")->as_int()) + " " + text("instance") + " " + text("detail");
}

constexpr std::string_view person =
    "{type: object, required: [name], properties: {name: {type: string}, age: {minimum: 0}}}";

TEST(Validation, the_workflows_input_is_held_against_its_schema_before_it_is_transformed) {
  const std::string text =
      "input: {schema: {document: " + std::string(person) + "}, from: .name}\ndo: [{a: {set: {hello: '${ . }'}}}]\n";
  EXPECT_EQ(run(text, R"({"name": "Anna"})"), R"({"hello":"Anna"})");
  EXPECT_EQ(
      run(text, R"({"nam": "Anna", "age": -1})"),
      "faulted: validation 400  the input does not match its schema:\nthe property \"name\" is missing; was it meant "
      "by \"nam\"?\n/age: -1 is less than the minimum, 0");
}

TEST(Validation, a_tasks_input_output_and_context_are_held_against_their_schemas) {
  EXPECT_EQ(
      run("do: [{a: {input: {schema: {document: {required: [n]}}, from: .n}, set: {x: '${ . }'}}}]\n", R"({"n": 1})"),
      R"({"x":1})");
  EXPECT_EQ(run("do: [{a: {input: {schema: {document: {required: [n]}}, from: .n}, set: {x: '${ . }'}}}]\n",
                R"({"other": 1})"),
            "faulted: validation 400 /do/0/a the input does not match its schema:\nthe property \"n\" is missing");
  EXPECT_EQ(
      run("do: [{a: {set: {x: '${ .n }'}, output: {as: .x, schema: {document: {type: string}}}}}]\n", R"({"n": 5})"),
      "faulted: validation 400 /do/0/a the output does not match its schema:\n5 is an integer, expected is a string");
  EXPECT_EQ(
      run("do: [{a: {set: {x: '${ .n }'}, export: {as: '{n: .x}', schema: {document: {properties: {n: {type: "
          "string}}}}}}}]\n",
          R"({"n": 5})"),
      "faulted: validation 400 /do/0/a the context does not match its schema:\n/n: 5 is an integer, expected is a "
      "string");
  EXPECT_EQ(
      run("output: {as: .x, schema: {document: {type: string}}}\ndo: [{a: {set: {x: '${ .n }'}}}]\n", R"({"n": 5})"),
      "faulted: validation 400  the output does not match its schema:\n5 is an integer, expected is a string");
}

TEST(Validation, the_guides_example_says_what_its_page_shows) {
  EXPECT_EQ(run("input: {schema: {document: {type: object, required: [title], properties: {title: {type: string, "
                "minLength: 1}, "
                "priority: {enum: [low, high]}}, additionalProperties: false}}}\ndo: [{a: {set: {x: 1}}}]\n",
                R"({"titel": "It breaks", "priority": "hig"})"),
            "faulted: validation 400  the input does not match its schema:\n"
            "the property \"title\" is missing; was it meant by \"titel\"?\n"
            "/titel: the property \"titel\" is not known here; did you mean \"title\"?\n"
            "/priority: \"hig\" is none of the values allowed: \"low\", \"high\"; did you mean \"high\"?");
}

TEST(Validation, its_error_can_be_caught) {
  EXPECT_EQ(
      run("do: [{t: {try: [{a: {set: {x: '${ .n }'}, output: {schema: {document: {properties: {x: {type: "
          "string}}}}}}}], "
          "catch: {errors: {with: {type: https://serverlessworkflow.io/spec/1.0.0/errors/validation}}, as: e, do: "
          "[{b: {set: {status: '${ $e.status }'}}}]}}}]\n",
          R"({"n": 5})"),
      R"({"status":400})");
}

TEST(Validation, that_takes_too_much_ends_the_instance_and_not_the_kernel) {
  // Each level asks the one below twice.
  std::string definitions = "d0: {const: 1}";
  for (int i = 1; i < 60; ++i) {
    const std::string below = "{$ref: '#/$defs/d" + std::to_string(i - 1) + "'}";
    definitions += ", d" + std::to_string(i) + ": {anyOf: [" + below + ", " + below + "]}";
  }
  const std::string ended = run(
      "input: {schema: {document: {$ref: '#/$defs/d59', $defs: {" + definitions + "}}}}\ndo: [{a: {set: {x: 1}}}]\n",
      "2");
  EXPECT_EQ(
      ended.find("faulted: validation 400  the input cannot be held against its schema: checking it takes too many "
                 "steps"),
      0U)
      << ended;
}

}  // namespace
}  // namespace trv::instance::testing
