#include "sdk/base/field_text.hpp"

#include <gtest/gtest.h>

namespace trv::base {
namespace {

TEST(FieldText, names_are_tokens_and_values_hold_no_control_character) {
  EXPECT_TRUE(is_token("X-Request-Id") && is_token("!#$%&'*+-.^_`|~09azAZ"));
  for (const std::string_view text : {"", "a b", "a:b", "a\tb", "\xc3\xa9", "a\"b", "a/b", "a\x7f"}) {
    EXPECT_FALSE(is_token(text)) << text;
  }
  EXPECT_TRUE(is_field_value("") && is_field_value("a\tb \xc3\xa9"));
  for (const std::string_view text : {"a\r\nb", "a\nb", "\x7f", "\x1b[0m"}) EXPECT_FALSE(is_field_value(text)) << text;
  EXPECT_FALSE(is_field_value(std::string_view("a\0b", 3)));
}

TEST(FieldText, case_is_ignored_in_ascii_alone) {
  EXPECT_TRUE(equal_ignoring_case("Content-TYPE", "content-type"));
  EXPECT_FALSE(equal_ignoring_case("content-type", "content-types"));
  EXPECT_FALSE(equal_ignoring_case("\xc3\x89", "\xc3\xa9"));
  EXPECT_FALSE(equal_ignoring_case("[", "{"));
  EXPECT_EQ(lower("ABC\xc3\x89Z[@"), "abc\xc3\x89z[@");
}

TEST(FieldText, space_goes_at_both_ends_only) {
  EXPECT_EQ(trimmed(" \t a b\r\n"), "a b");
  EXPECT_EQ(trimmed(" \t\r\n"), "");
  EXPECT_EQ(trimmed(""), "");
}

TEST(FieldText, quotes_and_backslashes_of_a_quoted_string_go) {
  EXPECT_EQ(unquoted(R"("a \"b\" \\ c")"), R"(a "b" \ c)");
  EXPECT_EQ(unquoted(R"("")"), "");
  for (const char* text : {"\"", "a", "\"a", "a\"", ""}) EXPECT_EQ(unquoted(text), text);
}

TEST(FieldText, an_escape_is_a_percent_sign_and_two_digits) {
  EXPECT_EQ(escaped_byte("%41bc"), 'A');
  EXPECT_EQ(escaped_byte("%fF"), '\xff');
  for (const char* text : {"", "%", "%4", "%4g", "%g4", "41", "a%41", "%%41"}) EXPECT_FALSE(escaped_byte(text)) << text;
}

}  // namespace
}  // namespace trv::base
