#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::json {
namespace {

std::string again(std::string_view text) {
  const auto value = parse(text);
  return value ? serialize(*value) : "error: " + value.error().message();
}

TEST(Json, every_kind_survives_a_round_trip) {
  for (const std::string_view text :
       {"null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808", "1.5", "\"\"",
        "\"a\\n\\\"\"", "[]", "{}", "[1,[2,[3]]]", "{\"b\":1,\"a\":{\"c\":[]}}", "\"ünïcödé 😎 and more of it\""}) {
    EXPECT_EQ(again(text), text);
  }
}

// Texts are written eight bytes at a time.
TEST(Json, a_character_is_escaped_wherever_it_is_and_every_other_stays) {
  constexpr std::string_view letters = "bfnrt";
  constexpr std::string_view of_letters = "\b\f\n\r\t";
  for (std::size_t size = 1; size <= 20; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        std::string text(size, 'a');
        text[at] = c;
        std::string shown(1, c);
        if (c == '"' || c == '\\') {
          shown = std::string("\\") + c;
        } else if (const std::size_t letter = of_letters.find(c); letter != std::string_view::npos) {
          shown = std::string("\\") + letters[letter];
        } else if (byte < 0x20 || byte == 0x7f) {
          shown = fmt::format("\\u{:04x}", byte);
        }
        std::string out = "[";
        append_string(out, text);
        ASSERT_EQ(out, "[\"" + std::string(at, 'a') + shown + std::string(size - at - 1, 'a') + "\"")
            << size << " " << byte;
      }
    }
  }
}

TEST(Json, doubles_print_the_shortest_text_that_reads_back) {
  EXPECT_EQ(again("0.1"), "0.1");
  EXPECT_EQ(again("1.0"), "1");
  EXPECT_EQ(again("1e-5"), "1e-05");
  EXPECT_EQ(again("0.0001"), "0.0001");
  EXPECT_EQ(again("1e300"), "1e+300");
  EXPECT_EQ(again("123456789012345690000000"), "123456789012345690000000");
  EXPECT_EQ(again("-0"), "-0");
  EXPECT_EQ(again("5e-324"), "5e-324");
  EXPECT_EQ(again("1.7976931348623157e308"), "1.7976931348623157e+308");
  EXPECT_EQ(again("1e-999"), "0");
  EXPECT_EQ(serialize(Value(std::numeric_limits<double>::infinity())), "1.7976931348623157e+308");
  EXPECT_EQ(serialize(Value(-std::numeric_limits<double>::infinity())), "-1.7976931348623157e+308");
  EXPECT_EQ(serialize(Value(std::numeric_limits<double>::quiet_NaN())), "null");
}

TEST(Json, a_number_beyond_the_largest_double_is_refused_where_it_is) {
  for (const std::string& number : {std::string("1e999"), std::string("-1.5E+309"), std::string(400, '9')}) {
    const std::string text = "{\"a\": [1,\n " + number + "]}";
    const auto value = parse(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().code(), base::ErrorCode::invalid);
    EXPECT_EQ(value.error().line(), 2);
    EXPECT_EQ(value.error().column(), 2);
    EXPECT_NE(value.error().message().find("the number " + number.substr(0, 80)), std::string::npos);
    const auto largest = parse(text, {.large_numbers = LargeNumbers::largest});
    ASSERT_TRUE(largest) << text;
    EXPECT_EQ(std::abs(largest->find("a")->at(1).as_double()), std::numeric_limits<double>::max());
  }
}

TEST(Json, the_bytes_of_a_value_are_spent_until_none_are_left) {
  std::size_t left = 100;
  EXPECT_TRUE(spend_bytes(Value{{"ab", Value::array({1, "xyz"})}}, left));
  EXPECT_EQ(left, 100U - (2 + 4 + 2 + 2 + 5));
  EXPECT_FALSE(spend_bytes(Value(std::string(100, 'a')), left));
  EXPECT_EQ(left, 0U);
  Value deep = Value::array();
  for (int i = 0; i < 501; ++i) deep = Value::array({deep});
  left = 1'000'000;
  EXPECT_FALSE(spend_bytes(deep, left));
}

TEST(Json, ready_text_becomes_members_behind_those_of_an_object) {
  EXPECT_EQ(serialize_with(Value{{"a", 1}}, {{"b", "1.50"}, {"c", ""}}), R"({"a":1,"b":1.50,"c":null})");
  EXPECT_EQ(serialize_with(Value::object(), {{"b", "[]"}}), R"({"b":[]})");
}

TEST(Json, the_last_of_duplicate_keys_wins) {
  EXPECT_EQ(again(R"({"a":1,"b":2,"a":3})"), R"({"a":3,"b":2})");
}

TEST(Json, an_error_says_where_and_what_was_expected) {
  const auto value = parse("{\n  \"a\": x\n}");
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code(), base::ErrorCode::invalid);
  EXPECT_EQ(value.error().line(), 2);
  EXPECT_EQ(value.error().column(), 8);
  EXPECT_NE(value.error().message().find("expected"), std::string::npos);
}

TEST(Json, what_is_no_json_is_refused) {
  for (const std::string_view text : {"", " ", "[1,]", "{\"a\"}", "nan", "[1] 2", "'a'", "\"\xff\"", "\"\xed\xa0\x80\"",
                                      "01", "\"\\x\"", "[", "\"abc", "tru", "\x01", "\"\x01\""}) {
    EXPECT_FALSE(parse(text)) << text;
  }
}

TEST(Json, size_and_depth_are_limited) {
  EXPECT_EQ(parse("[1,2,3]", {.bytes_max = 5}).error().code(), base::ErrorCode::too_large);
  const std::string deep = std::string(513, '[') + std::string(513, ']');
  EXPECT_EQ(parse(deep).error().code(), base::ErrorCode::too_large);
  EXPECT_TRUE(parse(deep, {.depth_max = 513}));
}

TEST(Json, control_characters_are_escaped) {
  EXPECT_EQ(serialize(Value(std::string_view("\x00\x1f\x7f", 3))), "\"\\u0000\\u001f\\u007f\"");
}

TEST(Json, printing_stops_at_its_limit_though_values_share_nodes) {
  Value value = Value::array({Value(1)});
  for (int i = 0; i < 60; ++i) value = Value::array({value, value});
  std::string out;
  EXPECT_FALSE(append(out, value, {.bytes_max = 1000}));
  EXPECT_LT(out.size(), 2000U);
}

}  // namespace
}  // namespace trv::json
