#include "kernel/plugin_host/payload.hpp"

#include <gtest/gtest.h>

namespace trv::plugin_host {
namespace {

TEST(IsJson, accepts_json_and_nothing_else) {
  for (const char* good : {"null", "1", "-1.5e10", "\"a\"", "[]", "{}", " {\"a\":[1,2,{\"b\":null}]} \n"}) {
    EXPECT_TRUE(is_json(good)) << good;
  }
  for (const char* bad :
       {"", " ", "{", "}", "[1,]", "{\"a\"}", "nul", "1 2", "{}x", "'a'", "\"\xff\"", "NaN", "//a\n1"}) {
    EXPECT_FALSE(is_json(bad)) << bad;
  }
  EXPECT_TRUE(is_json(std::string(json_depth_max, '[') + std::string(json_depth_max, ']')));
  EXPECT_FALSE(is_json(std::string(100'000, '[')));
}

TEST(Printable, leaves_no_control_character_and_only_utf8) {
  EXPECT_EQ(printable("plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", 100),
            "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(printable("a\nb\tc\rd", 100), "a\\nb\\tc\\rd");
  EXPECT_EQ(printable("\x1b[31m\x7f", 100), "\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\xff\xc0\x80\xed\xa0\x80", 100), "\\xff\\xc0\\x80\\xed\\xa0\\x80");
  EXPECT_EQ(printable("\xc2\x85", 100), "\\xc2\\x85");
  EXPECT_EQ(printable("abc", 2), "ab");
  EXPECT_EQ(printable("a\xc3\xa9", 2), "a\\xc3");
}

TEST(ReadError, unknown_values_and_broken_structs_are_internal) {
  EXPECT_EQ(read_error(nullptr).code, base::ErrorCode::internal);
  trv_error error{};
  error.struct_size = 4;
  EXPECT_EQ(read_error(&error).code, base::ErrorCode::internal);
  error.struct_size = sizeof error;
  error.code = 999;
  error.status = 70'000;
  error.detail = borrowed_bytes("not json");
  const OperationError read = read_error(&error);
  EXPECT_EQ(read.code, base::ErrorCode::internal);
  EXPECT_EQ(read.status, 0U);
  EXPECT_EQ(read.detail, "");
}

}  // namespace
}  // namespace trv::plugin_host
