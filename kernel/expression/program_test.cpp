#include "kernel/expression/program.hpp"

#include <gtest/gtest.h>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::expression {
namespace {

std::string run(std::string_view text, std::string_view input = "null", const Budget& budget = {}) {
  const auto program = compile(text);
  if (!program) return "compile: " + program.error().message();
  const auto value = json::parse(input);
  if (!value) return "input: " + value.error().message();
  const auto outputs = evaluate_all(*program, *value, {}, budget);
  if (!outputs) return "error: " + outputs.error().message();
  std::string joined;
  for (const json::Value& output : *outputs) joined += (joined.empty() ? "" : " ") + json::serialize(output);
  return joined;
}

TEST(Program, workflow_expressions_give_what_jq_gives) {
  const std::string_view input = R"({"user":{"name":"Ada","tags":["a","b"]},"n":3})";
  EXPECT_EQ(run(".user.name", input), R"("Ada")");
  EXPECT_EQ(run(".n == 3 and .user.name == \"Ada\"", input), "true");
  EXPECT_EQ(run(".missing // \"none\"", input), R"("none")");
  EXPECT_EQ(run("\"Hello \\(.user.name), \\(.n + 1)\"", input), R"("Hello Ada, 4")");
  EXPECT_EQ(run("if .n > 2 then \"many\" else \"few\" end", input), R"("many")");
  EXPECT_EQ(run(".user.tags | map(ascii_upcase) | join(\"-\")", input), R"("A-B")");
  EXPECT_EQ(run("{name: .user.name, count: (.user.tags | length)}", input), R"({"name":"Ada","count":2})");
  EXPECT_EQ(run(".user.tags |= . + [\"c\"] | .user.tags[1:]", input), R"(["b","c"])");
  EXPECT_EQ(run("[.user.tags[] | select(test(\"^b\"))]", input), R"(["b"])");
}

TEST(Program, a_number_beyond_the_largest_double_becomes_the_largest_as_in_jq) {
  EXPECT_EQ(run("\"[1e999, -1e999]\" | fromjson"), "[1.7976931348623157e+308,-1.7976931348623157e+308]");
  EXPECT_EQ(run("\"1e999\" | tonumber"), "1.7976931348623157e+308");
}

TEST(Program, formats_encode_literals_of_an_interpolation_and_nothing_else_of_the_string) {
  EXPECT_EQ(run(R"jq(@uri "x y=\("a b")")jq"), R"jq("x y=a%20b")jq");
  EXPECT_EQ(run(R"jq(@html "<i>\("<")\("&" + "")</i>")jq"), R"jq("<i>&lt;&amp;</i>")jq");
  EXPECT_EQ(run(R"jq(@sh "echo \("it's") \(1)")jq"), R"jq("echo 'it'\\''s' 1")jq");
  EXPECT_EQ(run(R"jq(@base64 "<\("x")>")jq"), R"jq("<eA==>")jq");
  EXPECT_EQ(run(R"jq(@json "v=\("a")")jq"), R"jq("v=\"a\"")jq");
  EXPECT_EQ(run(R"jq(@uri "\("\("a b")")\("")")jq"), R"jq("a%20b")jq");
  EXPECT_EQ(run(R"jq({(@uri "\("a b")"): 1})jq"), R"jq({"a%20b":1})jq");
  EXPECT_EQ(run(R"jq("\("plain") \("text")")jq"), R"jq("plain text")jq");
}

TEST(Program, variables_are_bound_by_position) {
  const std::vector<std::string> names = {"context", "input"};
  const auto program = compile("$context.a + $input", names);
  ASSERT_TRUE(program);
  const std::vector<json::Value> values = {json::Value{{"a", 1}}, json::Value(2)};
  const auto output = evaluate_first(*program, json::Value(), {.variables = values, .now = {}});
  ASSERT_TRUE(output && *output);
  EXPECT_EQ(**output, json::Value(3));
}

TEST(Program, an_unknown_name_is_an_error_with_its_place) {
  const auto variable = compile(".a |\n  $nope");
  ASSERT_FALSE(variable);
  EXPECT_EQ(variable.error().line(), 2);
  EXPECT_EQ(variable.error().column(), 3);
  const auto function = compile("nope(1)");
  ASSERT_FALSE(function);
  EXPECT_NE(function.error().message().find("nope/1"), std::string::npos);
}

TEST(Program, what_is_left_out_is_named) {
  for (const std::string_view name : {"env", "input", "inputs", "debug", "halt", "stderr", "input_filename"}) {
    const auto program = compile(name);
    ASSERT_FALSE(program) << name;
    EXPECT_NE(program.error().message().find("function " + std::string(name) + "/0 is not available here"),
              std::string::npos);
  }
  EXPECT_FALSE(compile("$ENV.PATH"));
  EXPECT_FALSE(compile("import \"a\" as a; 1"));
  EXPECT_FALSE(compile("include \"a\"; 1"));
}

TEST(Program, now_is_the_callers_time) {
  const auto program = compile("now");
  ASSERT_TRUE(program);
  const auto output = evaluate_first(*program, json::Value(), {.variables = {}, .now = base::Timestamp(1'500'000'000)});
  ASSERT_TRUE(output && *output);
  EXPECT_EQ(**output, json::Value(1.5));
}

TEST(Program, integers_of_64_bits_are_exact) {
  EXPECT_EQ(run("9007199254740993 + 1"), "9007199254740994");
  EXPECT_EQ(run(". * 2", "4611686018427387903"), "9223372036854775806");
  EXPECT_EQ(run("9223372036854775807 + 1"), "9223372036854776000");
  EXPECT_EQ(run("-9223372036854775807 - 1 | -."), "9223372036854776000");
  EXPECT_EQ(run("-9223372036854775807 - 1 | (. / -1, . % -1)"), "9223372036854776000 0");
}

TEST(Program, evaluate_first_stops_after_the_first_output) {
  const auto program = compile("1, error(\"never\")");
  ASSERT_TRUE(program);
  const auto output = evaluate_first(*program, json::Value());
  ASSERT_TRUE(output && *output);
  EXPECT_EQ(**output, json::Value(1));
  const auto none = evaluate_first(*compile("empty"), json::Value());
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
}

TEST(Program, errors_have_the_wording_of_jq) {
  EXPECT_EQ(run("try .a catch .", "1"), R"jq("Cannot index number with string (\"a\")")jq");
  EXPECT_EQ(run("error({a: 1})"), R"(error: {"a":1} (not a string))");
  EXPECT_EQ(run("{} + 1"), "error: object ({}) and number (1) cannot be added");
  EXPECT_EQ(run("[.[]?]", "1"), "[]");
}

TEST(Program, an_error_that_nothing_catches_names_the_function_and_shows_the_values) {
  EXPECT_EQ(run(".a", "[1,2]"), R"jq(error: Cannot index array with string ("a"); the value was array ([1,2]))jq");
  EXPECT_EQ(run("ascii_downcase", "null"), "error: ascii_downcase input must be a string; the input was null (null)");
  EXPECT_EQ(run("floor", R"("a")"), R"jq(error: floor: string ("a") number required)jq");
  EXPECT_EQ(
      run("startswith(1)", R"("a")"),
      R"jq(error: startswith() requires string inputs; the input was string ("a"), an argument was number (1))jq");
  EXPECT_EQ(run("mktime", R"("a")"), R"jq(error: mktime requires array inputs; the input was string ("a"))jq");
  EXPECT_LT(run("mktime", "\"" + std::string(1000, 'x') + "\"").size(), 120U);
  EXPECT_EQ(run("try mktime catch error(\"mine\")", "1"), "error: mine");
  EXPECT_EQ(run("(try mktime catch 1) + {}", "1"), "error: number (1) and object ({}) cannot be added");
}

TEST(Program, regular_expressions_match_capture_and_replace) {
  EXPECT_EQ(run("[match(\"(?<x>b+)\"; \"g\") | .offset, .length, .captures[0].name]", R"("äbbxb")"),
            R"([1,2,"x",4,1,"x"])");
  EXPECT_EQ(run("capture(\"(?<y>[0-9]+)-(?<m>[0-9]+)\")", R"("2024-05")"), R"({"y":"2024","m":"05"})");
  EXPECT_EQ(run("gsub(\"(?<c>[a-z])\"; \"<\\(.c)>\")", R"("a1b")"), R"("<a>1<b>")");
  EXPECT_EQ(run("gsub(\"\"; \"-\")", R"("ab")"), R"("-a-b-")");
  EXPECT_EQ(run("[scan(\"[0-9]\")]", R"("a1b2")"), R"(["1","2"])");
  EXPECT_EQ(run("split(\", *\"; null)", R"("a, b,c")"), R"(["a","b","c"])");
  EXPECT_EQ(run("test(\"A\"; \"i\"), test([\"A\", \"i\"]), test(\"A\")", R"("a")"), "true true false");
}

TEST(Program, an_error_from_behind_a_try_is_not_caught_by_it) {
  EXPECT_EQ(run("(try 1 catch 2) | error(\"x\")"), "error: x");
  EXPECT_EQ(run("[(1, 2) | try (if . == 1 then error(\"a\") else . end) catch .]"), R"(["a",2])");
}

TEST(Program, tail_calls_need_no_depth) {
  EXPECT_EQ(run("def f: if . >= 50000 then . else . + 1 | f end; 0 | f"), "50000");
  EXPECT_EQ(run("0 | until(. >= 50000; . + 1)"), "50000");
  EXPECT_EQ(run("[limit(3; 1 | while(true; . + 1))]"), "[1,2,3]");
}

TEST(Program, is_shared_between_threads_and_copies) {
  const auto program = compile("[range(5)] | add");
  ASSERT_TRUE(program);
  const Program copy = *program;
  EXPECT_EQ(**evaluate_first(copy, json::Value()), json::Value(10));
}

}  // namespace
}  // namespace trv::expression
