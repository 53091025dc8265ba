#include "sdk/package/json_text.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace trv::package {
namespace {

std::string refusal_of(std::string_view text) {
  const auto value = parse_json_text(text, 4);
  return value ? "" : value.error().message();
}

TEST(JsonText, what_is_json_is_read) {
  const auto value = parse_json_text("{\"a\": [{\"a\": \"\\\"a\\\"\"}, {\"a\": {}}, \"a\", \"a\"], \"b\": \"a\"}\n", 4);
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_EQ(value->at("b").as_string(), "a");
  EXPECT_EQ(refusal_of("\"a\""), "");
  EXPECT_EQ(refusal_of("[1, 2]"), "");
}

TEST(JsonText, what_is_not_is_refused_with_its_line_and_column) {
  EXPECT_EQ(refusal_of("{\n  \"a\" 1\n}"), "JSON at line 2, column 7: syntax error");
  EXPECT_EQ(refusal_of("{\n  \"a\": 1,\n}"), "JSON at line 3, column 1: syntax error");
  EXPECT_EQ(refusal_of("{}\nx"), "JSON at line 2, column 1: expected nothing behind the value");
  EXPECT_EQ(refusal_of("{\n  \"a\": 1"), "JSON at line 2, column 9: the text ends too early");
  EXPECT_EQ(refusal_of(""), "JSON at line 1, column 1: the text ends too early");
  EXPECT_NE(refusal_of("[\n[[[[[1]]]]]]").find("JSON at line 2, column "), std::string::npos);
}

TEST(JsonText, a_key_twice_is_refused_where_it_occurs_again) {
  EXPECT_EQ(refusal_of("{\"a\": 1,\n  \"b\": {}, \"a\": 2}"), "JSON at line 2, column 12: the key \"a\" occurs twice");
  EXPECT_EQ(refusal_of(R"([{"a": {"b": [","], "\u0062": 1}}])"),
            "JSON at line 1, column 21: the key \"b\" occurs twice");
}

}  // namespace
}  // namespace trv::package
