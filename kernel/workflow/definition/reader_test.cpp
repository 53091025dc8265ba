#include <fmt/format.h>
#include <gtest/gtest.h>

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
  EXPECT_EQ(yaml("a: !!str 1\nb: !!int '2'"), R"({"a":"1","b":2})");
  EXPECT_EQ(yaml("a: |\n  x\n  y\nb: >\n  p\n  q\n"), R"({"a":"x\ny\n","b":"p q\n"})");
}

TEST(Reader, every_refusal_says_where) {
  EXPECT_EQ(yaml("a: 1\nb: 2\na: 3\n"), "3:1 the key 'a' stands twice");
  EXPECT_EQ(yaml("a: 1\n1: 3\n"), "2:1 a key must be a string, not an integer; quote it");
  EXPECT_EQ(yaml("a: .nan"), "1:4 '.nan' has no JSON form; quote it to mean text");
  EXPECT_EQ(yaml("a: !thing 1"), "1:4 the tag '!thing' is not known; leave it out");
  EXPECT_EQ(yaml("a: 1\n---\nb: 2\n"), "2:1 a second document stands in the text; one definition is one document");
  EXPECT_EQ(yaml("{[a]: 1}"), "1:2 a key must be a string, not a sequence");
  EXPECT_EQ(yaml(""), "1:1 the text holds no document");
  EXPECT_TRUE(yaml("a:\n\t- b").starts_with("2:2 not YAML:")) << yaml("a:\n\t- b");
  EXPECT_EQ(yaml(std::string("a: b\0c", 6)), "1:5 the control character 0x00 may not stand in a definition");
  EXPECT_EQ(yaml("a: \xff"), "1:4 the text is not UTF-8");
  EXPECT_EQ(yaml("a: \xed\xa0\x80"), "1:4 the text is not UTF-8");
}

TEST(Reader, aliases_are_copies_within_bounds) {
  EXPECT_EQ(yaml("a: &x {b: 1}\nc: *x\n"), R"({"a":{"b":1},"c":{"b":1}})");
  EXPECT_EQ(yaml("a: &x [*x]"), "1:8 an alias stands inside its own anchor");
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
  EXPECT_EQ(json("{\n \"a\": 1,\n \"a\": 2}"), "3:2 the key 'a' stands twice");
  EXPECT_EQ(json("{a: 1}"), "1:2 'a' stands where a key in double quotes must stand");
  EXPECT_EQ(json("[1,]"), "1:4 ']' stands where a JSON value must stand");
  EXPECT_EQ(json("[01]"), "1:3 '1' stands where ',' or ']' must stand");
  EXPECT_EQ(json("[1] x"), "1:5 nothing may follow the JSON document");
  EXPECT_EQ(json("\"\\ud800\""), "1:8 a high surrogate stands without its low surrogate");
  const auto node = read("{\n  \"a\": {\"b\": 7}}", Format::json);
  ASSERT_TRUE(node);
  const Node* b = node->find("a")->find("b");
  EXPECT_EQ(b->position.line, 2);
  EXPECT_EQ(b->position.column, 14);
}

}  // namespace
}  // namespace trv::definition
