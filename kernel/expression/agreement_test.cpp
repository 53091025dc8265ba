// What jq 1.8.2 gives, where this evaluator once gave something else. tests/jq holds both against each other at large.

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "kernel/expression/program.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::expression {
namespace {

struct Case {
  std::string_view program;
  std::string_view input;
  std::string_view outputs;  // JSON with a blank between; "error" for an error, "refused" for a program that is none
};

constexpr auto cases = std::to_array<Case>({
    {"to_entries", "[5,6]", R"([{"key":0,"value":5},{"key":1,"value":6}])"},
    {"from_entries", R"([{"Key":"a","Value":1},{"name":"b","value":null}])", R"({"a":1,"b":null})"},
    {"from_entries", R"({"x":{"key":"a","value":1}})", R"({"a":1})"},
    {"from_entries", R"([{"key":1,"value":2}])", "error"},
    {"from_entries", R"([{"k":"a","v":2}])", "error"},
    {"isnan, isnormal, isinfinite, isfinite", R"("a")", "false false false false"},
    {"[.[] | finites]", R"(["a",1])", "[1]"},
    {"nan | isfinite", "null", "true"},
    {"transpose", "{}", "[]"},
    {"transpose", R"({"a":[1,2],"b":null})", "[[1,null],[2,null]]"},
    {"transpose", R"(["ab",[1]])", "error"},
    {"reverse", R"("abc")", "error"},
    {"reverse", "0", "[]"},
    {"reverse", "null", "[]"},
    {R"("\ud800")", "null", "refused"},
    {R"("\udc00")", "null", "\"\uFFFD\""},
    {".[[]]", "[1]", "[]"},
    {"indices([])", "[1]", "[]"},
    {"indices(\"\")", R"("a")", "[]"},
    {"format(\"html\"), format(\"base64\")", R"("<")", R"("&lt;" "PA==")"},
    {"format(\"nothing\")", "1", "error"},
    {"leaf_paths", "[1]", "refused"},
    {"toarray", "1", "refused"},
    {"@base32d", R"("")", "refused"},
    {"abs", "null", "error"},
    {"abs", "-1.5", "1.5"},
    {"contains(false)", "true", "error"},
    {"has(\"a\")", "null", "false"},
    {"has(0.5), has(-0.5)", "[1]", "true true"},
    {".[-1.2], .[1.7]", "[1,2,3]", "3 2"},
    {".[null]", "null", "error"},
    {".[{}]", "[1]", "error"},
    {"flatten(\"a\")", "[1]", "[1]"},
    {"flatten(\"a\")", "[[1]]", "error"},
    {"flatten(null)", "[1]", "error"},
    {"flatten(1.5)", "[[[1]]]", "[1]"},
    {"group_by(nan)", "[1,2]", "[[1],[2]]"},
    {"unique_by(nan)", "[2,1]", "[2,1]"},
    {"min_by(nan), max_by(nan)", "[3,1,2]", "2 3"},
    {"bsearch(nan)", "[1]", "-1"},
    {"(.a // .b) = 1", "{}", R"({"b":1})"},
    {"[path(.a // .b)]", R"({"a":null})", R"([["b"]])"},
    {"def f(p): path(p); f(.a // .b)", "{}", R"(["b"])"},
    {".b.c |= empty", "{}", "{}"},
    {".b.c |= empty", R"({"b":{"c":1}})", R"({"b":{}})"},
    {"[path(foreach (1, 2) as $x (.; .a; .b))]", "null", R"([["a","b"],["a","b"]])"},
    {"[skip(1.5; 1, 2, 3)], [skip(1; 1, 2)]", "null", "[2,3] [2]"},
    {"[skip(\"a\"; empty)]", "null", "[]"},
    {"skip(\"a\"; 1)", "null", "error"},
    {"[limit(null; 1)]", "null", "error"},
    {"[gsub(\"a\"; \"x\", \"y\")]", R"("aa")", R"(["xx","yy"])"},
    {R"jq([gsub("(?<l>.)"; if .l == "a" then "p", "q" else "r" end)])jq", R"("ab")", R"(["pr","q"])"},
    {"sub(\"a\"; null), [sub(\"a\"; empty)]", R"("xa")", R"("x" ["xa"])"},
    {"sub(\"a\"; 1)", R"("xa")", "error"},
    {"@csv, @tsv", R"(["\u0000"])", R"("\"\\0\"" "\\0")"},
    {"[nan] | @csv, @tsv", "null", R"("" "")"},
    {"@base64d", R"("YW=Jj")", R"("a")"},
    {"mktime", "[2024]", "1703980800"},
    {"strftime(\"%F %T\")", "[2024,-1,1,25,61,61]", R"("2023-12-02 02:02:01")"},
    {"strptime(\"%H\")", R"("12")", "[1900,0,0,12,0,0,8,367]"},
    {"strptime(\"%Y\")", R"("2015 x")", R"([2015,0,0,0,0,0,3,-1," x"])"},
    {"gmtime", "-1.5", "[1969,11,31,23,59,59.5,3,364]"},
    {"localtime, strflocaltime(\"%H %Z\")", "0", R"([1970,0,1,0,0,0,4,0] "00 UTC")"},
    {"hypot(3; 4), remainder(5; 3), jn(0; 0), erf", "0", "5 -1 1 0"},
    {"path(trim)", R"("a text that is long enough")", "[]"},
});

TEST(Agreement, with_jq_where_there_was_none) {
  for (const Case& test : cases) {
    const auto program = compile(test.program);
    std::string got = "refused";
    if (program) {
      const auto outputs = evaluate_all(*program, *json::parse(test.input));
      got = outputs ? "" : "error";
      if (outputs) {
        for (const json::Value& output : *outputs) got += (got.empty() ? "" : " ") + json::serialize(output);
      }
    }
    EXPECT_EQ(got, test.outputs) << test.program << " on " << test.input;
  }
}

TEST(Agreement, a_bessel_function_of_a_large_order_takes_fuel) {
  const auto outputs = evaluate_all(*compile("jn(2e9; 1), jn(1e300; 1)"), json::Value());
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().code(), base::ErrorCode::too_large);
}

}  // namespace
}  // namespace trv::expression
