#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <chrono>
#include <string>

#include "kernel/workflow/definition/node.hpp"

namespace trv::definition {
namespace {

std::string yaml(std::string_view text) {
  const auto node = read(text, Format::yaml);
  return node ? to_json(*node)
              : fmt::format("{}:{} {}", node.error().line(), node.error().column(), node.error().message());
}

TEST(Reader, scalars_follow_the_core_schema_and_quotes_make_text) {
  EXPECT_EQ(yaml("[on, yes, no, off, y, ~, null, Null, true, False]"),
            R"(["on","yes","no","off","y",null,null,null,true,false])");
  EXPECT_EQ(yaml("['1', \"true\", 1, -0, +7, 007, 0x1F, 0o17]"), R"(["1","true",1,0,7,7,31,15])");
  EXPECT_EQ(yaml("[1.5, .5, 1., 1e3, -2.5E-3, 1.2.3, 1e, '.inf', 1_000]"),
            R"([1.5,0.5,1,1e3,-2.5e-3,"1.2.3","1e",".inf","1_000"])");
  EXPECT_EQ(yaml("on: 1"), R"({"on":1})");
  EXPECT_EQ(yaml("a: |\n  x\n  y\nb: >\n  p\n  q\n"), R"({"a":"x\ny\n","b":"p q\n"})");
  EXPECT_EQ(yaml("a: |\n  x"), R"({"a":"x"})");
  EXPECT_EQ(yaml("a: |\n  x\n "), R"({"a":"x\n"})");
  EXPECT_EQ(yaml("a: |\n  x\n   "), R"({"a":"x\n "})");
  EXPECT_EQ(yaml("a: >\n  x\n  y"), R"({"a":"x y"})");
  EXPECT_EQ(yaml("a: |\n"), R"({"a":""})");
  EXPECT_EQ(yaml("a: |"), R"({"a":""})");
}

TEST(Reader, single_quotes_fold_lines_and_two_of_them_are_one) {
  EXPECT_EQ(yaml("['', 'it''s''', '''', '\\n ä', 'a\t']"), R"(["","it's'","'","\\n ä","a\t"])");
  EXPECT_EQ(yaml("a: ' one \n   two\t\n\n  three '\n"), R"({"a":" one two\nthree "})");
  EXPECT_EQ(yaml("a: 'one\r\n two\r\n\r\n\r\n three'"), R"({"a":"one two\n\nthree"})");
  EXPECT_EQ(yaml("a: '\n one\n '"), R"({"a":" one "})");
  EXPECT_EQ(yaml("a: '\n\n one\n\n '"), R"({"a":"\none\n"})");
  EXPECT_EQ(yaml("a: 'a ''\n '' b'"), R"({"a":"a ' ' b"})");
  EXPECT_EQ(yaml("'a''b': 1"), R"({"a'b":1})");
}

TEST(Reader, quotes_in_a_row_cost_no_memory_that_stays) {
  const std::string text = "a: '" + std::string(40'000, '\'') + "'\n";
  const auto in_use = [] { return mallinfo2().uordblks; };
  ASSERT_TRUE(read(text, Format::yaml));
  const std::size_t before = in_use();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(read(text, Format::yaml));
  // Where a sanitizer counts the memory this is zero, and a leak is the sanitizer's to find.
  EXPECT_LT(in_use(), before + 100'000);
}

TEST(Reader, every_refusal_says_where) {
  EXPECT_EQ(yaml("a: 1\nb: 2\na: 3\n"), "3:1 the key 'a' occurs twice in this mapping; remove one");
  EXPECT_EQ(yaml("a: 1\n1: 3\n"), "2:1 a key must be a string, not an integer; quote it");
  EXPECT_EQ(yaml("a: 1\n: 3\n"), "1:5 a key must be a string, not null; quote it");
  EXPECT_EQ(yaml("a: .nan"), "1:4 '.nan' has no JSON form; quote it to mean text");
  EXPECT_EQ(yaml("a: [1, -1e999]"), "1:8 '-1e999' has no JSON form; quote it to mean text");
  EXPECT_EQ(yaml("a: !thing 1"), "1:4 tags are not supported; leave this one out, and quote what is text");
  EXPECT_EQ(yaml("a: !!int '2'"), "1:4 tags are not supported; leave this one out, and quote what is text");
  EXPECT_EQ(yaml("a: !!map {}"), "1:4 tags are not supported; leave this one out, and quote what is text");
  EXPECT_EQ(yaml("a: 1\n---\nb: 2\n"), "2:1 the text has a second document; expected one definition in one document");
  EXPECT_EQ(yaml("a: 1\n...\nb: 2\n"), "1:5 the text has a second document; expected one definition in one document");
  EXPECT_EQ(yaml("# x\n%YAML 1.1\n---\na: 1\n"), "2:1 directives such as %YAML are not supported; leave the line out");
  EXPECT_EQ(yaml("{[a]: 1}"), "1:2 a key must be a string, not a sequence");
  EXPECT_EQ(yaml(""), "1:1 the text has no content; expected a mapping with the field 'document'");
  EXPECT_EQ(yaml("# nothing"), "1:1 the text has no content; expected a mapping with the field 'document'");
  EXPECT_EQ(yaml("# nothing\n"), "1:1 the text has no content; expected a mapping with the field 'document'");
  EXPECT_EQ(yaml("a: &x {b: 1}\nc:\n  <<: *x\n"),
            "3:3 the merge key '<<' is not part of YAML 1.2; write the fields out, or quote it to mean text");
  EXPECT_EQ(yaml("'<<': 1"), R"({"<<":1})");
  EXPECT_EQ(yaml("a:\n\t- b"), "2:1 a tab indents this line; indent with spaces");
  EXPECT_EQ(yaml("a: 1\n \tb: 2"), "2:2 a tab indents this line; indent with spaces");
  EXPECT_EQ(yaml(std::string("a: b\0c", 6)),
            "1:5 a definition cannot contain the control character U+0000; write it as an escape in double quotes");
  EXPECT_EQ(yaml("a: 1\n\ufeffb: 2").substr(0, 4), "2:1 ");
  EXPECT_EQ(yaml("\ufeffa: 1"), R"({"a":1})");
  EXPECT_EQ(yaml("a: \xff"), "1:4 the text is not UTF-8 here; save the file as UTF-8");
  EXPECT_EQ(yaml("a: \xed\xa0\x80"), "1:4 the text is not UTF-8 here; save the file as UTF-8");
}

TEST(Reader, tabs_are_text_in_quotes_blocks_and_comments_only) {
  EXPECT_EQ(yaml("a: 'x\ty' #\tz\nb: |\n  x\ty\n"), R"({"a":"x\ty","b":"x\ty\n"})");
  EXPECT_EQ(yaml("a: x\ty"), "1:5 a tab outside quotes, block text and comments; write spaces");
  EXPECT_EQ(yaml("a:\t1"), "1:3 a tab outside quotes, block text and comments; write spaces");
  EXPECT_EQ(yaml("a: '\t'\nb: [1,\t2]"), "2:7 a tab outside quotes, block text and comments; write spaces");
}

TEST(Reader, what_yaml_forbids_is_refused_and_swallows_nothing) {
  EXPECT_EQ(yaml("x: 1\namou"), "2:1 not YAML 1.2: this line is not a field of the mapping; expected 'name: value'");
  EXPECT_EQ(yaml("x: [a,,b]"), "1:7 not YAML 1.2: a value is missing between two commas");
  EXPECT_EQ(yaml("x: 'abc"), "1:5 not YAML 1.2: this text has no closing quote; expected ' at its end");
  EXPECT_EQ(yaml("x: 'abc\ny: 1\n").substr(0, 44), "1:4 not YAML 1.2: this text has no closing '");
  EXPECT_EQ(yaml("x: \"abc\ny: 1\n").substr(0, 44), "1:4 not YAML 1.2: this text has no closing \"");
  EXPECT_EQ(yaml("x: [a, b").substr(4), "not YAML 1.2: the sequence has no closing ']'");
  EXPECT_EQ(yaml("x: {a: b]"), "1:9 not YAML 1.2: ']' closes a mapping; expected '}'");
  EXPECT_EQ(yaml("\u00e9: a: b").substr(0, 5), "1:6 n") << "columns count bytes";
  for (const std::string_view text :
       {"x: {a: b",         "x: ]",       "x: }",      "x: {,}",      "x: [,]",         "x: @a",
        "x: `a`",           "x: a: b",    "x: 'a'b",   "x: \"\\q\"",  "x: \"a\" \"b\"", "x:\n  a: 1\n b: 2",
        "x: 1\n y: 2",      "- a\nb: 1",  "a: 1\n- b", "x: - a",      "x: |a\n  b",     "x: > a\n",
        "x: [a]b",          "x: 'a'#b",   "x: [a\n",   "x: *",        "x: &",           "x: *a",
        "x: &a *a",         "? [a]\n: 1", "x: 1\x01",  "x: \xc2\x80", "--- a\n... b",   "x: &a.b 1",
        "{a: 1,~\n  b: 2}", "{?a: 1}",    "[?a]",      "{:: 1}"}) {
    EXPECT_FALSE(read(text, Format::yaml)) << text << "\n" << yaml(text);
  }
}

TEST(Reader, aliases_are_copies_within_bounds) {
  EXPECT_EQ(yaml("a: &x {b: 1}\nc: *x\n"), R"({"a":{"b":1},"c":{"b":1}})");
  EXPECT_EQ(yaml("a: &x [*x]"), "1:8 the alias '*x' has no anchor: expected '&x' on a complete value before it");
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'j'; ++c) {
    bomb += fmt::format("{}: &{} [", c, c);
    for (int i = 0; i < 9; ++i) bomb += fmt::format("{}*{}", i == 0 ? "" : ",", static_cast<char>(c - 1));
    bomb += "]\n";
  }
  const auto result = read(bomb, Format::yaml);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), base::ErrorCode::too_large);
  // Few nodes, but each repeats a long text.
  std::string heavy = "a: &a " + std::string(200'000, 'x') + "\nb: &b [*a, *a]\nc: &c [*b, *b, *b]\nd: [*c, *c]\n";
  const auto heavy_result = read(heavy, Format::yaml);
  ASSERT_FALSE(heavy_result);
  EXPECT_NE(heavy_result.error().message().find("aliases repeat more than"), std::string::npos);
}

TEST(Reader, hostile_texts_are_refused_quickly) {
  const auto start = std::chrono::steady_clock::now();
  const auto repeat = [](std::string_view text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
  };
  for (const std::string& text :
       {repeat("[", 200'000), repeat("{a: ", 60'000), repeat("- ", 100'000), repeat("? ", 100'000),
        repeat("!", 200'000), repeat("&a ", 80'000), repeat("a: ", 80'000), repeat("\"", 200'001), repeat("|", 200'000),
        repeat("*a ", 80'000), repeat("[{", 100'000), repeat("%YAML 1.2\n", 20'000), repeat("---\n", 50'000),
        repeat("#", 200'000), repeat("a", text_bytes_max + 1)}) {
    for (const Format format : {Format::yaml, Format::json}) {
      const auto result = read(text, format);
      EXPECT_FALSE(result && result->is_mapping() && result->find("document") != nullptr);
    }
  }
  EXPECT_FALSE(read(repeat("a", text_bytes_max + 1), Format::yaml));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(Reader, json_is_strict_and_has_positions) {
  const auto json = [](std::string_view text) {
    const auto node = read(text, Format::json);
    return node ? to_json(*node)
                : fmt::format("{}:{} {}", node.error().line(), node.error().column(), node.error().message());
  };
  EXPECT_EQ(json(R"({"a": [1, -2.5e+3, "\u00e9\ud83d\ude00\n", true, null]})"),
            "{\"a\":[1,-2.5e+3,\"\u00e9\U0001F600\\n\",true,null]}");
  EXPECT_EQ(json("{\n \"a\": 1,\n \"a\": 2}"), "3:2 the key 'a' occurs twice");
  EXPECT_EQ(json("{a: 1}"), "1:2 expected a key in double quotes, found 'a'");
  EXPECT_EQ(json("[1,]"), "1:4 expected a JSON value, found ']'");
  EXPECT_EQ(json("[01]"), "1:3 expected ',' or ']', found '1'");
  EXPECT_EQ(json("[1] x"), "1:5 expected the end of the text, found 'x'");
  EXPECT_EQ(json("\"\\ud800\""), "1:2 a high surrogate without its low surrogate after it");
  EXPECT_EQ(json("\ufeff{}"), "{}");
  const auto nested = [&json](std::size_t depth) { return json(std::string(depth, '[') + std::string(depth, ']')); };
  EXPECT_EQ(nested(depth_max).size(), 2U * depth_max);
  EXPECT_EQ(nested(depth_max + 1), fmt::format("1:{} more than {} levels of nesting", depth_max + 1, depth_max));
  std::string many = "[0";
  for (std::size_t i = 0; i < nodes_max; ++i) many += ",0";
  EXPECT_EQ(json(many + "]"), fmt::format("1:{} more than {} nodes (values, lists and mappings); split the definition",
                                          2 * nodes_max, nodes_max));
  const auto node = read("{\n  \"a\": {\"b\": 7}}", Format::json);
  ASSERT_TRUE(node);
  const Node* b = node->find("a")->find("b");
  EXPECT_EQ(b->position.line, 2);
  EXPECT_EQ(b->position.column, 14);
}

}  // namespace
}  // namespace trv::definition
