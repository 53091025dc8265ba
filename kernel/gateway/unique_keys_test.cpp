#include "kernel/gateway/unique_keys.hpp"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "kernel/json/parse.hpp"

namespace trv::gateway {
namespace {

TEST(UniqueKeys, a_key_that_stands_twice_in_one_object_is_named_with_its_place) {
  const std::tuple<const char*, int, int, const char*> cases[] = {
      {R"({"a":1,"a":2})", 1, 8, "'a'"},
      {"{\"a\":1,\n  \"b\":2, \"a\":3}", 2, 10, "'a'"},
      {R"({"a":1,"\u0061":2})", 1, 8, "'a'"},
      {R"([{"x":{"k":[1],"l":{},"k":null}}])", 1, 23, "'k'"},
      {R"({"":1,"":2})", 1, 7, "''"},
      {R"({"a\"":1,"a\"":2})", 1, 10, "'a\"'"},
      {"\xEF\xBB\xBF{\"a\":1,\"a\":2}", 1, 8, "'a'"},
  };
  for (const auto& [json, line, column, key] : cases) {
    ASSERT_TRUE(json::parse(json)) << json;
    const auto status = check_unique_keys(json);
    ASSERT_FALSE(status) << json;
    EXPECT_EQ(status.error().line(), line) << json;
    EXPECT_EQ(status.error().column(), column) << json;
    EXPECT_NE(status.error().message().find(key), std::string::npos) << status.error().message();
  }
}

TEST(UniqueKeys, the_same_key_in_different_objects_and_the_same_text_as_a_value_pass) {
  for (const char* json : {R"({"a":{"a":{"a":"a"}},"b":"a"})", R"([{"a":1},{"a":2},"a","a"])",
                           R"({"a":"{\"a\":1,\"a\":2}"})", "3", "\"\\\\\"", R"({"a":[],"b":{},"c":[{}],"A":1})",
                           " { \"a\" : \"b\" , \"b\" : \"a\" } ", "{}", "[]", R"({"\\":1,"\\\\":2})"}) {
    ASSERT_TRUE(json::parse(json)) << json;
    EXPECT_TRUE(check_unique_keys(json)) << json;
  }
}

}  // namespace
}  // namespace trv::gateway
