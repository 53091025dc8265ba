// Schemas of a definition are compiled with it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "kernel/workflow/definition/definition.hpp"

namespace trv::definition {
namespace {

std::string with(std::string_view rest) {
  const std::string text =
      "document: {dsl: '1.0.3', namespace: test, name: it, version: '1.0.0'}\n" + std::string(rest);
  const auto compiled = compile(text, Format::yaml);
  if (compiled) return "compiles";
  return fmt::format("{}:{} {}", compiled.error().line(), compiled.error().column(), compiled.error().message());
}

constexpr std::string_view tasks = "do: [{a: {set: {x: 1}}}]\n";

TEST(Schemas, are_taken_wherever_data_passes) {
  EXPECT_EQ(with(fmt::format("input: {{schema: {{document: {{type: object}}}}}}\n"
                             "output: {{schema: {{format: 'json:2020-12', document: true}}}}\n{}",
                             tasks)),
            "compiles");
  EXPECT_EQ(with("do: [{a: {input: {schema: {document: {type: object}}}, set: {x: 1}, output: {schema: {document: "
                 "{type: object}}}, export: {as: ., schema: {format: json, document: {type: object}}}}}]\n"),
            "compiles");
}

TEST(Schemas, that_are_bad_are_refused_with_their_place_in_the_text) {
  EXPECT_EQ(with("input:\n  schema:\n    document:\n      type: object\n      properties:\n        age: {type: numbr}\n"
                 "do: [{a: {set: {x: 1}}}]\n"),
            "7:21 'schema' in 'input' of the workflow, at #/properties/age/type: \"numbr\" is not the name of a type; "
            "expected is one of null, boolean, integer, number, string, array, object; did you mean \"number\"?");
  EXPECT_EQ(
      with("do: [{a: {set: {x: 1}, output: {schema: {document: {allOf: [{}, {pattern: '(a'}]}}}}}]\n"),
      "2:75 'schema' in 'output' of task 'a', at #/allOf/1/pattern: \"(a\" is not a regular expression (ECMA-262): "
      "missing closing parenthesis (near character 2)");
  EXPECT_EQ(
      with(fmt::format("input: {{schema: {{resource: {{endpoint: 'https://example.com/a.json'}}}}}}\n{}", tasks)),
      "2:28 'schema' in 'input' of the workflow: 'resource' names a document elsewhere, and nothing is fetched; put "
      "the schema here, below 'document'");
  EXPECT_EQ(with(fmt::format("input: {{schema: {{format: avro, document: {{}}}}}}\n{}", tasks)),
            "2:26 'schema' in 'input' of the workflow: the format 'avro' is not known; expected is json, json:2020-12, "
            "json:draft-07 or json:draft-04");
  EXPECT_EQ(with(fmt::format("input: {{schema: {{}}}}\n{}", tasks)),
            "2:17 'schema' in 'input' of the workflow needs the property 'document'");
  EXPECT_NE(with(fmt::format("input: {{schema: {{document: {{$ref: 'https://example.com/a.json'}}}}}}\n{}", tasks))
                .find("nothing is fetched from a network"),
            std::string::npos);
}

TEST(Schemas, share_one_limit_for_their_regular_expressions) {
  std::string text = "do:\n";
  for (int i = 0; i < 40; ++i) {
    text += fmt::format(
        "  - t{}: {{set: {{x: 1}}, input: {{schema: {{document: {{pattern: '(?:ab[cd]e){{800}}{}'}}}}}}}}\n", i, i);
  }
  EXPECT_NE(with(text).find("the regular expressions take more than"), std::string::npos) << with(text);
}

}  // namespace
}  // namespace trv::definition
