// No text may kill the kernel: each of these must end with an error, soon and within its memory.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <string>

#include "kernel/expression/program.hpp"
#include "kernel/json/value.hpp"

namespace trv::expression {
namespace {

#ifdef TRV_SANITIZED
constexpr auto time_max = std::chrono::seconds(60);
#else
constexpr auto time_max = std::chrono::seconds(5);
#endif

long peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

base::Result<std::vector<json::Value>> run(std::string_view text, const json::Value& input = json::Value()) {
  const auto start = std::chrono::steady_clock::now();
  auto program = compile(text);
  if (!program) {
    EXPECT_LT(std::chrono::steady_clock::now() - start, time_max) << text.substr(0, 60);
    return base::fail(program.error());
  }
  auto outputs = evaluate_all(*program, input);
  EXPECT_LT(std::chrono::steady_clock::now() - start, time_max) << text.substr(0, 60);
  return outputs;
}

std::string repeated(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST(HostileProgram, that_never_ends_uses_up_a_budget) {
  for (const std::string_view text : {
           "[range(1e9)]",
           "last(repeat(1))",
           "range(1e18)",
           "def f: f; f",
           "def f: f, f; f",
           "def f: 1 + f; f",
           "def f(g): f(g | g); f(.)",
           "[limit(1e9; repeat(1))]",
           "reduce range(1e9) as $i (\"\"; . + \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\")",
           "reduce range(1e9) as $i ([]; [., .])",
           "[recurse([.])]",
           "[.] | until(false; . + .)",
           "\"x\" * 1e8",
           "[range(100000)] | combinations(5)",
           "def f: try f catch f; f",
           "[while(true; .)]",
           "reduce range(100) as $i ([1]; [., .]) | tojson",
           "reduce range(100) as $i ([1]; [., .]) | flatten",
           "reduce range(100) as $i ([1]; [., .]) as $x | reduce range(100) as $i ([1]; [., .]) | . == $x",
           "reduce range(100) as $i ([1]; [., .]) as $x | reduce range(100) as $i ([1]; [., .]) | contains($x)",
           "reduce range(100) as $i ([1]; [., .]) | [..] | length",
           "[range(300000)] | map([., .]) | map([., ., ., ., ., ., ., .]) | map([.]) | map([.])",
           "\"a\" | until(false; . + . + .)",
           "[range(2000) | [range(2000)]] | transpose",
           // Each of these once held its thread for seconds to minutes within its fuel.
           "(\"a\" * 200000) as $s | ($s[:50000] + \"b\") as $n | last(range(1e9) | $s | contains($n))",
           "(\"a\" * 200000) as $s | ($s[:50000] + \"b\") as $n | last(range(1e9) | $s | split($n))",
           "(\"a\" * 200000) as $s | last(range(1e9) | $s | ltrimstr(\"b\"))",
           "[range(30000)] as $a | last(range(1e9) | $a | .[5] = 1)",
           "[range(30000)] as $a | last(range(1e9) | $a + [1])",
           "(\"a\" * 200000) as $s | last(range(1e9) | $s | try test(\"a*a*[bc]\") catch 1)",
           "(\"a\" * 17) as $s | last(range(1e9) | $s | try test(\"^(a|a)*[bc]\") catch 1)",
           "(\"a\" * 100000) as $a | [range(1000)] | map($a + \"\\(.)\") | join(\",\") | explode",
       }) {
    const auto outputs = run(text);
    ASSERT_FALSE(outputs) << text;
    EXPECT_EQ(outputs.error().code(), base::ErrorCode::too_large) << text << ": " << outputs.error().message();
  }
}

TEST(HostileProgram, that_asks_for_too_much_at_once_is_refused) {
  for (const std::string_view text : {
           "\"x\" * 1e9",
           "\"x\" * 1e300",
           "null | .[1e9] = 1",
           "null | .[536870911] = 1",
           "[1] | .[1e300] = 1",
           "1 | strftime([])",
           "1e300 | todate",
           "1e300 | gmtime",
           "[1e300, 1, 1] | mktime",
           "[nan, nan, nan, nan, nan, nan] | mktime",
           "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\" | test(\"^(a+)+$\")",
           "\"x\" | test(\"((((((a{1000}){1000}){1000}){1000}){1000}){1000})\")",
           "\"x\" | test(\""
           "("
           "\")",
           "\"x\" | test(\"(?R)*\")",
           "\"\\\\\" | fromjson",
           "\"[\" * 100000 | fromjson",
           "implode",
           "[{}] | implode",
           "setpath([range(20000)]; 1)",
           "error",
           "error(null)",
           "{} | .[[0]]",
       }) {
    EXPECT_FALSE(run(text)) << text;
  }
}

TEST(HostileProgram, that_calls_what_is_behind_a_builtin_is_refused) {
  // The first was an abort.
  for (const std::string_view text : {"1 | _sub([]; [])", "1 | _splice([]; [])", "[1, 2] | _sort_by([])",
                                      "_match(1; 2)", "_capture", "map(_group_by([]))", "sort_by(_min_by(.))"}) {
    EXPECT_FALSE(compile(text)) << text;
  }
  EXPECT_TRUE(run("\"abab\" | sort_by(.)?, sub(\"a\"; [1] | sort_by(.) | \"x\")"));
}

TEST(HostileProgram, a_pattern_key_of_several_outputs_keeps_what_is_being_built) {
  // Each was an abort: what was built was given away with the first output.
  for (const std::string_view text :
       {"{o: (. as {(\"a\", \"b\"): $x} | $x)}", "[{} | .a = (. as {(\"a\", \"b\"): $x} | $x)]",
        "[{a: 1} | .a |= (. as {(\"a\", \"b\"): $x} | 2)?]", "{o: (. as [{(\"a\", \"b\"): [$x]}] | $x)}"}) {
    EXPECT_TRUE(run(text)) << text;
  }
}

TEST(HostileProgram, a_global_replacement_over_a_huge_string_stays_within_memory) {
  const json::Value text(std::string(8 * 1024 * 1024, 'a'));
  const auto outputs = run("gsub(\"a\"; \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\")", text);
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().code(), base::ErrorCode::too_large);
}

TEST(HostileProgram, nesting_of_text_is_refused_at_every_construct) {
  constexpr int many = 20'000;
  for (const auto& text : {repeated("(", 100'000),
                           repeated("[", 100'000),
                           repeated("(", many) + "1" + repeated(")", many),
                           repeated("[", many) + repeated("]", many),
                           repeated("{a:", many) + "1" + repeated("}", many),
                           repeated("-", many) + "1",
                           repeated("try ", many) + "1",
                           repeated("\"\\(", many) + "1",
                           repeated("if 1 then ", many),
                           repeated("def f: ", many),
                           repeated("def f: 1; ", many) + "f",
                           repeated("1 as $x | ", many) + "1",
                           repeated("reduce . as ", many),
                           repeated(". as [", many),
                           repeated("1 + ", many) + "1",
                           repeated("1 // ", many) + "1",
                           repeated("f(", many),
                           repeated(".[", many),
                           "." + repeated("[0]", many),
                           "." + repeated("?", many),
                           repeated("label $a | ", many) + "1"}) {
    EXPECT_FALSE(run(text)) << text.substr(0, 40);
  }
}

TEST(HostileProgram, unbalanced_text_does_not_escape) {
  for (const std::string_view text :
       {"1) | (env", "1)",        "(1",    "[1",           "{a:1",  "\"abc",     "\"\\(1\"",    "1 |",
        "| 1",       ".a.",       ".[",    "..a",          "if",    "if 1 then", "reduce",      "try",
        "def f:",    "def f: 1",  "1 as",  "1 as $",       "$",     "@",         "?//",         "\x01",
        "1 = 2 = 3", "1 < 2 < 3", "",      "{(1):2}",      "{1:2}", "break $x",  ". as [] | 1", "\"\\x\"",
        "\"\\ud800", "%",         "@nope", "$__prog_args", "a::b"}) {
    EXPECT_FALSE(compile(text)) << text;
  }
}

TEST(HostileProgram, invalid_utf8_and_oversized_text_are_refused) {
  EXPECT_FALSE(compile("\"\xff\""));
  EXPECT_EQ(compile(std::string(program_bytes_max + 1, ' ')).error().code(), base::ErrorCode::too_large);
}

TEST(HostileProgram, values_nested_by_the_million_are_built_compared_and_freed) {
  for (const std::string_view text : {
           "reduce range(100000) as $i ([]; [.]) | tojson | length",
           "reduce range(100000) as $i ([]; [.]) | try (. == .) catch .",
           "reduce range(100000) as $i ([]; [.]) as $x | try ([$x, $x] | sort) catch .",
           "reduce range(100000) as $i ([]; [.]) as $x | try ($x | contains($x)) catch .",
           "reduce range(100000) as $i ({}; {a: .}) as $x | try ($x * $x) catch .",
           "reduce range(100000) as $i ([]; [.]) | flatten",
       }) {
    EXPECT_TRUE(run(text)) << text << ": " << run(text).error().message();
  }
}

TEST(HostileProgram, memory_stayed_within_a_few_budgets) {
#ifndef TRV_SANITIZED
  constexpr long kib_max = 700L * 1024;
  EXPECT_LT(peak_kib(), kib_max);
#endif
  EXPECT_GT(peak_kib(), 0);
}

}  // namespace
}  // namespace trv::expression
