#include "kernel/plugin_generate/generate.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernel/plugin_generate/names.hpp"

namespace trv::plugin_generate {
namespace {

using testing::HasSubstr;
using testing::Not;

package::Manifest manifest_of(const std::string& input, const std::string& output = "true") {
  package::Manifest manifest;
  manifest.id = "forge";
  manifest.operations.push_back({.name = "ask", .title = "Ask", .summary = {}, .input = input, .output = output});
  return manifest;
}

std::string cpp(const std::string& input, const std::string& output = "true") {
  const auto text = generate(manifest_of(input, output), Language::cpp);
  return text ? *text : "error: " + text.error().message();
}

TEST(Names, words_are_found_in_any_spelling) {
  EXPECT_EQ(snake_case("htmlURL-of issue"), "html_url_of_issue");
  EXPECT_EQ(snake_case("HTMLPage2"), "html_page2");
  EXPECT_EQ(snake_case("__proto__"), "proto");
  EXPECT_EQ(snake_case("2nd"), "_2nd");
  EXPECT_EQ(snake_case("日本"), "");
  EXPECT_EQ(pascal_case("create-issue"), "CreateIssue");
  EXPECT_EQ(pascal_case("1.2"), "_1_2");
  EXPECT_EQ(pascal_case("12"), "_12") << "another name";
}

TEST(Names, a_name_is_given_once) {
  UniqueNames names([](std::string_view name) { return name == "class"; });
  EXPECT_EQ(names.take("class", "x"), "class_");
  EXPECT_EQ(names.take("class", "x"), "class_2");
  EXPECT_EQ(names.take("a_2", "x"), "a_2");
  EXPECT_EQ(names.take("a", "x"), "a");
  EXPECT_EQ(names.take("a", "x"), "a_3") << "a_2 is another's";
  EXPECT_EQ(names.take("", "x"), "x");
}

TEST(Names, a_literal_is_ascii_and_no_escape_takes_the_next_digit) {
  EXPECT_EQ(cpp_literal("\x01"
                        "1\"\\?"),
            R"(\0011\"\\\?)");
  EXPECT_EQ(python_literal("é😀\n\""), R"("\u00e9\U0001f600\u000a\"")");
  EXPECT_EQ(javascript_literal("😀"), R"("\u{1f600}")");
  EXPECT_EQ(rust_literal("é😀\n\"\\{}"), R"("\u{e9}\u{1f600}\u{a}\"\\{}")");
}

TEST(Names, a_comment_ends_no_comment_and_takes_no_line) {
  EXPECT_EQ(comment_text("one\ntwo\r\n\tthree"), "one two three");
  EXPECT_EQ(comment_text("a */ b \\"), "a * / b");
  EXPECT_EQ(comment_text("\u202eturned\u2028line \\ \\"), "turned line");
  EXPECT_EQ(comment_text(std::string(1'000, 'x')).size(), 200U);
}

TEST(Generate, the_same_manifest_gives_the_same_text) {
  const std::string schema = R"({"type":"object","properties":{"b":{"type":"string"},"a":{"enum":["x","y"]}}})";
  EXPECT_EQ(cpp(schema), cpp(schema));
  EXPECT_LT(cpp(schema).find("&AskInput::b"), cpp(schema).find("&AskInput::a")) << "in the manifest's order";
}

TEST(Generate, a_definition_is_one_type_wherever_it_is_named) {
  const std::string schema =
      R"({"type":"object","required":["a","b"],"properties":{"a":{"$ref":"#/$defs/user"},"b":{"$ref":"#/$defs/user"}},)"
      R"("$defs":{"user":{"type":"object","properties":{"name":{"type":"string"}}}}})";
  const std::string text = cpp(schema, schema);
  EXPECT_THAT(text, HasSubstr("  User a = {};\n  User b = {};\n"));
  EXPECT_THAT(text, Not(HasSubstr("User_2"))) << "nor once more for the output";
  const std::string other = R"({"type":"object","properties":{"a":{"$ref":"#/$defs/user"}},)"
                            R"("$defs":{"user":{"type":"object","properties":{"id":{"type":"integer"}}}}})";
  EXPECT_THAT(cpp(schema, other), HasSubstr("struct User_2 {")) << "another one of the same name";
}

TEST(Generate, what_only_restricts_is_left_to_the_host) {
  const std::string text =
      cpp(R"({"type":"object","properties":{"a":{"type":"string","minLength":1,"pattern":"^x","not":{"const":"y"}},)"
          R"("b":{"type":"integer","minimum":0}},"anyOf":[{"required":["a"]},{"required":["b"]}],)"
          R"("if":{"required":["a"]},"then":{"properties":{"a":{"maxLength":3}}}})");
  EXPECT_THAT(text, HasSubstr("std::optional<std::string> a"));
  EXPECT_THAT(text, HasSubstr("std::optional<std::int64_t> b"));
  EXPECT_THAT(text, Not(HasSubstr("JSON itself")));
}

TEST(Generate, what_has_no_type_is_json_with_the_reason) {
  const auto member = [](const std::string& schema) {
    return cpp(fmt::format(R"({{"type":"object","properties":{{"a":{}}}}})", schema));
  };
  for (const auto& [schema, reason] : std::vector<std::pair<std::string, std::string>>{
           {R"({"oneOf":[{"type":"string"},{"type":"integer"}]})", "oneOf"},
           {R"({"type":["string","array"]})", "several types"},
           {R"({"enum":["a",1]})", "an enum of several types"},
           {R"({"$ref":"#/$defs/nothing"})", "$ref #/$defs/nothing"},
           {R"({"type":"array","prefixItems":[true]})", "prefixItems"},
           {R"({"type":"object","allOf":[{"properties":{"hidden":{"type":"string"}}}]})", "allOf"},
           {R"({"type":"object","patternProperties":{"^x":true}})", "patternProperties"}}) {
    EXPECT_THAT(member(schema), HasSubstr(fmt::format(
                                    "  /// JSON itself: {}.\n  std::optional<boost::json::value> a = {{}};", reason)));
  }
  EXPECT_THAT(member("true"), Not(HasSubstr("JSON itself"))) << "it may be anything";
}

TEST(Generate, what_contains_itself_ends) {
  EXPECT_THAT(cpp(R"({"$ref":"#"})"), HasSubstr("using AskInput = boost::json::value;"));
  EXPECT_THAT(cpp(R"({"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}})"),
              HasSubstr("using AskInput = boost::json::value;"));
  std::string deep = "true";
  for (int i = 0; i < 200; ++i) deep = R"({"type":"array","items":)" + deep + "}";
  EXPECT_THAT(cpp(deep), HasSubstr("it is nested too deeply"));
  EXPECT_THAT(cpp("{"), HasSubstr("error: ask.input: "));
}

TEST(Generate, a_comment_in_rust_is_no_test_that_cargo_runs) {
  const auto text = generate(manifest_of(R"({"type":"object","description":"``` panic!(1) ```","properties":{)"
                                         R"("a":{"type":"string","description":"~~~rust\nfn main() {}"}}})"),
                             Language::rust);
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("    /// ''' panic!(1) '''\n"));
  EXPECT_THAT(*text, HasSubstr("        /// ---rust fn main() {}\n"));
}

TEST(Generate, a_language_is_named_or_refused) {
  EXPECT_EQ(language_named("python").value(), Language::python);
  EXPECT_THAT(language_named("cobol").error().message(), HasSubstr("c++, python, rust and typescript"));
}

}  // namespace
}  // namespace trv::plugin_generate
