#include "kernel/json_schema/schema.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "kernel/json/parse.hpp"

namespace trv::json_schema {
namespace {

using ::testing::HasSubstr;

json::Value value(std::string_view text) {
  auto parsed = json::parse(text);
  EXPECT_TRUE(parsed) << text << ": " << parsed.error().message();
  return parsed ? *parsed : json::Value();
}

Schema schema(std::string_view text, const CompileOptions& options = {}) {
  auto compiled = compile(value(text), options);
  if (!compiled) throw std::runtime_error(compiled.error().to_error().message());
  return *compiled;
}

std::vector<Problem> problems(const Schema& schema, std::string_view instance, const ValidateLimits& limits = {}) {
  auto found = schema.validate(value(instance), limits);
  EXPECT_TRUE(found) << found.error().message();
  return found ? *found : std::vector<Problem>();
}

/// "PATH | SCHEMA PATH | SENTENCE" of each problem.
std::vector<std::string> lines(std::string_view schema_text, std::string_view instance,
                               const CompileOptions& options = {}) {
  std::vector<std::string> lines;
  for (const Problem& problem : problems(schema(schema_text, options), instance)) {
    lines.push_back(problem.instance_path + " | " + problem.schema_path + " | " + problem.sentence);
  }
  return lines;
}

std::string refusal(std::string_view text, const CompileOptions& options = {}) {
  const auto compiled = compile(value(text), options);
  return compiled ? "accepted" : compiled.error().to_error().message();
}

using Lines = std::vector<std::string>;

TEST(Schema, a_problem_says_where_it_is_in_value_and_schema_and_what_was_expected) {
  constexpr std::string_view text = R"({
    "type": "object", "required": ["name"],
    "properties": {"name": {"type": "string", "minLength": 2}, "age": {"$ref": "#/$defs/age"},
                   "tags": {"items": {"enum": ["red", "green"]}, "maxItems": 2, "uniqueItems": true}},
    "additionalProperties": false,
    "$defs": {"age": {"type": ["integer", "null"], "minimum": 0}}})";
  EXPECT_EQ(lines(text, R"({"name": "Anna", "age": 3, "tags": ["red"]})"), Lines{});
  EXPECT_EQ(lines(text, "[1]"), Lines{" | #/type | [1] is an array, expected is an object"});
  EXPECT_EQ(lines(text, R"({"nmae": "Anna", "name": "A"})"),
            (Lines{R"(/nmae | #/additionalProperties | the property "nmae" is not known here; did you mean "name"?)",
                   R"(/name | #/properties/name/minLength | "A" has 1 character, at least 2 are needed)"}));
  EXPECT_EQ(lines(text, R"({"nam": 1})"),
            (Lines{R"( | #/required | the property "name" is missing; was it meant by "nam"?)",
                   R"(/nam | #/additionalProperties | the property "nam" is not known here; did you mean "name"?)"}));
  EXPECT_EQ(lines(text, R"({"name": "Anna", "age": -1})"),
            Lines{"/age | #/$defs/age/minimum | -1 is less than the minimum, 0"});
  EXPECT_EQ(lines(text, R"({"name": "Anna", "age": 1.5})"),
            Lines{"/age | #/$defs/age/type | 1.5 is a number with decimals, expected is null or an integer"});
  EXPECT_EQ(
      lines(text, R"({"name": "Anna", "tags": ["red", "gren", "red"]})"),
      (Lines{
          "/tags | #/properties/tags/maxItems | there are 3 items, at most 2 are allowed",
          R"(/tags/1 | #/properties/tags/items/enum | "gren" is none of the values allowed: "red", "green"; did you mean "green"?)",
          R"(/tags | #/properties/tags/uniqueItems | items 0 and 2 are the same, "red"; each may be there once)"}));
}

TEST(Schema, of_several_alternatives_the_nearest_is_explained) {
  constexpr std::string_view text = R"({"oneOf": [
    {"properties": {"kind": {"const": "circle"}, "radius": {"type": "number"}}, "required": ["kind", "radius"]},
    {"properties": {"kind": {"const": "square"}, "side": {"type": "number"}}, "required": ["kind", "side"]}]})";
  EXPECT_EQ(
      lines(text, R"({"kind": "square", "side": "long"})"),
      (Lines{
          R"( | #/oneOf | {"kind":"square","side":"long"} is as none of 2 schemas describes; the nearest is #/oneOf/1, and:)",
          R"(/side | #/oneOf/1/properties/side/type | "long" is a string, expected is a number)"}));
  EXPECT_EQ(lines(R"({"anyOf": [{"type": "string"}, {"type": "array"}]})", "1"),
            Lines{" | #/anyOf | 1 is an integer, expected is a string or an array"});
  EXPECT_EQ(lines(R"({"oneOf": [{"type": "number"}, {"minimum": 3}]})", "5"),
            Lines{" | #/oneOf | 5 is as #/oneOf/0 and #/oneOf/1 describe; exactly one of the 2 must"});
  EXPECT_EQ(lines(R"({"not": {"type": "null"}})", "null"),
            Lines{" | #/not | null is as #/not describes, and must not be"});
}

TEST(Schema, unevaluated_properties_see_what_other_rules_took_care_of) {
  constexpr std::string_view text = R"({
    "allOf": [{"properties": {"name": {}}}], "if": {"required": ["size"]}, "then": {"properties": {"size": {}}},
    "unevaluatedProperties": false})";
  EXPECT_EQ(lines(text, R"({"name": 1, "size": 2})"), Lines{});
  EXPECT_EQ(lines(text, R"({"naem": 1})"),
            Lines{R"(/naem | #/unevaluatedProperties | the property "naem" is not known here; did you mean "name"?)"});
}

TEST(Schema, numbers_are_exact) {
  EXPECT_EQ(lines(R"({"multipleOf": 0.1})", "0.3"), Lines{});
  EXPECT_EQ(lines(R"({"multipleOf": 1e-8})", "12391239123"), Lines{});
  EXPECT_THAT(lines(R"({"multipleOf": 7})", "9223372036854775807"), ::testing::IsEmpty());
  EXPECT_THAT(lines(R"({"multipleOf": 3})", "-9223372036854775808"), ::testing::SizeIs(1));
  EXPECT_THAT(lines(R"({"maximum": 9007199254740992})", "9007199254740993"), ::testing::SizeIs(1));
  EXPECT_THAT(lines(R"({"multipleOf": 0.123456789})", "1e308"), ::testing::SizeIs(1));
  EXPECT_EQ(lines(R"({"type": "integer"})", "1e300"), Lines{});
  EXPECT_EQ(lines(R"({"const": 1.0})", "1"), Lines{});
}

TEST(Schema, a_bad_schema_is_refused_with_its_place) {
  EXPECT_EQ(
      refusal(R"({"properties": {"a": {"type": "strin"}}})"),
      "#/properties/a/type: \"strin\" is not the name of a type; expected is one of null, boolean, integer, number, "
      "string, array, object; did you mean \"string\"?");
  EXPECT_EQ(refusal(R"({"minLength": -1})"), "#/minLength: -1 is not a whole number of 0 or more");
  EXPECT_EQ(refusal(R"({"allOf": [{}, 3]})"), "#/allOf/1: 3 is not a schema; a schema is an object, true or false");
  EXPECT_EQ(refusal("7"), "#: 7 is not a schema; a schema is an object, true or false");
  EXPECT_EQ(refusal(R"({"required": ["a", "a"]})"), "#/required: \"a\" is there twice");
  EXPECT_THAT(refusal(R"({"pattern": "(a"})"), HasSubstr("#/pattern: \"(a\" is not a regular expression (ECMA-262): "));
  EXPECT_THAT(refusal(R"({"pattern": "(?i)a"})"), HasSubstr("`(?i` is not a group of ECMA-262"));
  EXPECT_EQ(refusal(R"({"properties": {"a": {"$ref": "#/$defs/nmae"}}, "$defs": {"name": {}}})"),
            "#/properties/a/$ref: \"#/$defs/nmae\" leads nowhere: there is no \"nmae\" in \"#/$defs\"; did you mean "
            "\"name\"?");
  EXPECT_THAT(
      refusal(R"({"$schema": "https://json-schema.org/draft/2019-09/schema"})"),
      HasSubstr("#/$schema: \"https://json-schema.org/draft/2019-09/schema\" is not a dialect that is known here"));
}

TEST(Schema, nothing_is_fetched) {
  EXPECT_EQ(refusal(R"({"$ref": "https://example.com/a.json"})"),
            "#/$ref: \"https://example.com/a.json\" is not among the documents at hand, and nothing is fetched from a "
            "network; put that schema into this one, below \"$defs\", and refer to it as \"#/$defs/name\"");
  const std::vector<Document> documents{
      {"https://example.com/api.json", value(R"({"components": {"schemas": {"Pet": {"type": "object",
                                           "properties": {"tag": {"$ref": "#/components/schemas/Tag"}}},
                                           "Tag": {"type": "string"}}}})")}};
  CompileOptions options;
  options.documents = documents;
  EXPECT_EQ(lines(R"({"$ref": "https://example.com/api.json#/components/schemas/Pet"})", R"({"tag": 1})", options),
            Lines{"/tag | https://example.com/api.json#/components/schemas/Tag/type | 1 is an integer, expected is a "
                  "string"});
}

TEST(Schema, a_schema_that_leads_back_to_itself_without_a_step_is_refused) {
  EXPECT_THAT(refusal(R"({"$ref": "#"})"), HasSubstr("refers to itself without end"));
  EXPECT_THAT(refusal(R"({"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]},
                         "b": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/a"}]}}})"),
              HasSubstr("refers to itself without end"));
  EXPECT_EQ(lines(R"({"properties": {"next": {"$ref": "#"}}, "required": ["id"]})", R"({"id": 1, "next": {"id": 2}})"),
            Lines{});
}

TEST(Schema, the_meta_schemas_are_built_in) {
  constexpr std::string_view text = R"({"$ref": "https://json-schema.org/draft/2020-12/schema"})";
  EXPECT_EQ(lines(text, R"({"type": "string"})"), Lines{});
  EXPECT_THAT(
      lines(text, R"({"properties": {"a": {"minLength": "x"}}})"),
      ::testing::ElementsAre(HasSubstr("it is not a schema (2020-12), at #/properties/a/minLength: \"x\" is not a "
                                       "whole number of 0 or more")));
}

TEST(Schema, openapi_3_0_knows_nullable_and_exclusive_as_booleans) {
  CompileOptions options;
  options.dialect = Dialect::openapi_3_0;
  constexpr std::string_view text = R"({"type": "number", "nullable": true, "minimum": 3, "exclusiveMinimum": true})";
  EXPECT_EQ(lines(text, "null", options), Lines{});
  EXPECT_EQ(lines(text, "3.5", options), Lines{});
  EXPECT_EQ(lines(text, "3", options), Lines{" | #/exclusiveMinimum | 3 is not more than 3"});
}

TEST(Schema, formats_are_asserted_only_where_asked_for) {
  constexpr std::string_view text = R"({"format": "date"})";
  EXPECT_EQ(lines(text, R"("tomorrow")"), Lines{});
  CompileOptions options;
  options.formats = Formats::asserted;
  EXPECT_EQ(lines(text, R"("tomorrow")", options),
            Lines{R"( | #/format | "tomorrow" is not a date such as 2026-01-31)"});
}

TEST(Schema, secret_values_are_not_shown) {
  const ValidateLimits limits{.shows_values = false};
  const auto found = problems(
      schema(R"({"properties": {"key": {"pattern": "^k-", "enum": ["k-1"], "const": "k-1", "maxLength": 3}}})"),
      R"({"key": "hunter2"})", limits);
  ASSERT_EQ(found.size(), 4U);
  for (const Problem& problem : found)
    EXPECT_EQ(problem.sentence.find("hunter2"), std::string::npos) << problem.sentence;
}

TEST(Schema, problems_are_counted_up_to_a_limit) {
  const ValidateLimits limits{.problems_max = 3};
  EXPECT_EQ(problems(schema(R"({"items": {"type": "null"}})"), "[1, 2, 3, 4, 5]", limits).size(), 3U);
}

TEST(Schema, many_threads_share_one) {
  const Schema shared = schema(R"({"items": {"pattern": "^a+$", "anyOf": [{"minLength": 2}, {"const": "a"}]}})");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&shared] {
      for (int round = 0; round < 200; ++round) {
        EXPECT_TRUE(problems(shared, R"(["a", "aa"])").empty());
        EXPECT_EQ(problems(shared, R"(["b"])").size(), 3U);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace trv::json_schema
