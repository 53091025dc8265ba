#include "kernel/json/reader.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <tuple>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"

namespace trv::json {
namespace {

/// "line:column message" of the refusal; empty where the text is read.
std::string refusal(std::string_view text, const ParseLimits& limits = {}) {
  Reader reader(text, limits);
  while (true) {
    const auto piece = reader.next();
    if (!piece) return fmt::format("{}:{} {}", piece.error().line(), piece.error().column(), piece.error().message());
    if (*piece == Piece::document_end) return {};
  }
}

TEST(JsonReader, a_refusal_says_where_what_was_expected_and_what_was_found) {
  EXPECT_EQ(refusal(""), "1:1 expected a JSON value, found the end of the text");
  EXPECT_EQ(refusal("{\n  \"a\": x\n}"), "2:8 expected a JSON value, found 'x'");
  EXPECT_EQ(refusal("[1 2]"), "1:4 expected ',' or ']', found '2'");
  EXPECT_EQ(refusal("[1,]"), "1:4 expected a JSON value, found ']'");
  EXPECT_EQ(refusal("{\"a\":1 \"b\""), "1:8 expected ',' or '}', found '\"'");
  EXPECT_EQ(refusal("{\"a\":1,}"), "1:8 expected a key in double quotes, found '}'");
  EXPECT_EQ(refusal("{\"a\"\n 1}"), "2:2 expected ':', found '1'");
  EXPECT_EQ(refusal("[1] é"), "1:5 expected the end of the text, found 'é'");
  EXPECT_EQ(refusal("[01]"), "1:3 expected ',' or ']', found '1'");
  EXPECT_EQ(refusal("-"), "1:2 expected a digit, found the end of the text");
  EXPECT_EQ(refusal("1.e"), "1:3 expected a digit, found 'e'");
  EXPECT_EQ(refusal("1e+"), "1:4 expected a digit, found the end of the text");
  EXPECT_EQ(refusal("[tru]"), "1:2 expected a JSON value, found 't'");
  EXPECT_EQ(refusal("\x01"), "1:1 expected a JSON value, found U+0001");
  EXPECT_EQ(refusal("\"a\nb\""), "1:3 expected an escape such as \\n in place of a control character, found U+000A");
  EXPECT_EQ(refusal("\"abc"), "1:5 the text ends within a string; expected '\"' at the string's end");
  EXPECT_EQ(refusal("\"\\x\""), "1:3 expected an escape of JSON: \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u, found 'x'");
  EXPECT_EQ(refusal("\"\\u12g4\""), "1:6 expected four hexadecimal digits after \\u, found 'g'");
  EXPECT_EQ(refusal("\"0123456789\xff\""), "1:12 expected UTF-8, found the byte 0xff");
  EXPECT_EQ(refusal("\xc0"), "1:1 expected UTF-8, found the byte 0xc0");
  EXPECT_EQ(refusal("\" \\udc00\""), "1:3 a low surrogate without its high surrogate before it");
  EXPECT_EQ(refusal("\"\\ud800\\u0041\""), "1:2 a high surrogate without its low surrogate after it");
  EXPECT_EQ(refusal("\"\\ud800\""), "1:2 a high surrogate without its low surrogate after it");
  EXPECT_EQ(refusal("[[[]]]", {.depth_max = 2}), "1:3 more than 2 levels of nesting");
  EXPECT_EQ(refusal("[1,2,3]", {.bytes_max = 5}), "1:1 the text has 7 bytes; expected at most 5");
}

TEST(JsonReader, every_piece_has_its_text_and_its_place) {
  Reader reader("\xEF\xBB\xBF{\"a\\u0062\" :\n [ -1.50, true, null, \"x\\ny\" ]}\n");
  const std::tuple<Piece, int, int, const char*> expected[] = {
      {Piece::object_begin, 1, 1, nullptr}, {Piece::key, 1, 2, "ab"},           {Piece::array_begin, 2, 2, nullptr},
      {Piece::number, 2, 4, "-1.50"},       {Piece::boolean, 2, 11, "true"},    {Piece::null, 2, 17, nullptr},
      {Piece::string, 2, 23, "x\ny"},       {Piece::array_end, 2, 30, nullptr}, {Piece::object_end, 2, 31, nullptr},
      {Piece::document_end, 3, 1, nullptr}};
  for (const auto& [piece, line, column, text] : expected) {
    const auto read = reader.next();
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(*read, piece);
    EXPECT_EQ(reader.position().line, line);
    EXPECT_EQ(reader.position().column, column);
    if (text != nullptr) {
      EXPECT_EQ(reader.text(), text);
    }
  }
}

TEST(JsonReader, a_key_that_occurs_twice_in_one_object_is_named_with_its_place) {
  for (const auto& [text, expected] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({"a":1,"a":2})", "1:8 the key 'a' occurs twice"},
           {"{\"a\":1,\n  \"b\":2, \"a\":3}", "2:10 the key 'a' occurs twice"},
           {R"({"a":1,"\u0061":2})", "1:8 the key 'a' occurs twice"},
           {R"([{"x":{"k":[1],"l":{},"k":null}}])", "1:23 the key 'k' occurs twice"},
           {R"({"":1,"":2})", "1:7 the key '' occurs twice"},
           {R"({"a\"":1,"a\"":2})", "1:10 the key 'a\"' occurs twice"},
           {R"({"a":[{"b":1}],"a":2})", "1:16 the key 'a' occurs twice"},
           {"\xEF\xBB\xBF{\"a\":1,\"a\":2}", "1:8 the key 'a' occurs twice"}}) {
    EXPECT_EQ(refusal(text, {.duplicate_keys = DuplicateKeys::refused}), expected) << text;
    EXPECT_EQ(refusal(text), "") << text;
  }
}

TEST(JsonReader, the_same_key_in_different_objects_and_the_same_text_as_a_value_pass) {
  for (const char* text : {R"({"a":{"a":{"a":"a"}},"b":"a"})", R"([{"a":1},{"a":2},"a","a"])",
                           R"({"a":"{\"a\":1,\"a\":2}"})", "3", "\"\\\\\"", R"({"a":[],"b":{},"c":[{}],"A":1})",
                           " { \"a\" : \"b\" , \"b\" : \"a\" } ", "{}", "[]", R"({"\\":1,"\\\\":2})"}) {
    EXPECT_EQ(refusal(text, {.duplicate_keys = DuplicateKeys::refused}), "") << text;
  }
}

// The oracle is a reader that others wrote. What differs on purpose is left out: exponents beyond 32 bits, which it
// refuses, and a byte order mark.
TEST(JsonReader, another_reader_takes_and_refuses_the_same_of_many_edited_texts) {
  constexpr std::string_view seeds[] = {
      R"({"a":[1,-2.5e+3,"é😀\n",true,false,null,{}],"b":{"c":{"d":[[],[0,0.1,1E5,-0]]}},"long key of more than 8":"\u00e9\ud83d\ude00 \"\\\/\b\f\n\r\t"})",
      R"([9223372036854775807,-9223372036854775808,9223372036854775808,1.7976931348623157e308,5e-324,123456789012345678901234567890])",
      "\"plain ASCII text, then \xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80 and more\"",
      "  {\n\t\"x\" : [ 1 , 2 ] ,\r\n \"y\" : \"z\" }  "};
  constexpr std::string_view bytes = "{}[]\",:\\u0123456789abcdefDX.eE+-tfn \n\t\x01\x7f\x80\xbf\xc3\xe2\xed\xf0\xff/";
  std::mt19937_64 random(20'260'704);
  std::size_t taken = 0;
  for (int round = 0; round < 40'000; ++round) {
    std::string text(seeds[random() % std::size(seeds)]);
    for (std::uint64_t edits = random() % 4; edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = bytes[random() % bytes.size()]; break;
        case 1: text.insert(at, 1, bytes[random() % bytes.size()]); break;
        default: text.erase(at, 1 + random() % 3); break;
      }
      if (text.empty()) text = "0";
    }
    boost::json::error_code error;
    const boost::json::value theirs = boost::json::parse(text, error);
    const auto ours = parse(text, {.large_numbers = LargeNumbers::largest});
    if (error == boost::json::error::exponent_overflow) continue;
    ASSERT_EQ(ours.has_value(), !error) << text << "\n" << (ours ? error.message() : ours.error().message());
    if (!ours) {
      ASSERT_GE(ours.error().line(), 1) << text;
      ASSERT_GE(ours.error().column(), 1) << text;
      continue;
    }
    ++taken;
    // Numbers are left to the jq tests: theirs may differ in the last bit.
    const auto again = parse(serialize(*ours));
    ASSERT_TRUE(again) << text;
    ASSERT_EQ(serialize(*again), serialize(*ours)) << text;
    const auto of_theirs = parse(boost::json::serialize(theirs));
    if (!of_theirs) continue;  // they print a double that is too large as a word
    ASSERT_EQ(of_theirs->kind(), ours->kind()) << text;
    ASSERT_EQ(of_theirs->size(), ours->size()) << text;
    if (ours->is_string()) {
      ASSERT_EQ(of_theirs->as_string(), ours->as_string());
    }
  }
  EXPECT_GT(taken, 5'000U);
}

}  // namespace
}  // namespace trv::json
