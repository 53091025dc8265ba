#include "kernel/json/value.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <thread>

namespace trv::json {
namespace {

TEST(Value, is_sixteen_bytes_and_null_by_default) {
  static_assert(sizeof(Value) == 16);
  EXPECT_TRUE(Value().is_null());
  EXPECT_EQ(Value().kind(), Kind::null);
}

TEST(Value, a_whole_double_is_the_same_number_as_the_integer) {
  EXPECT_TRUE(Value(3.0).is_int());
  EXPECT_EQ(Value(3.0), Value(3));
  EXPECT_FALSE(Value(0.5).is_int());
  EXPECT_TRUE(std::signbit(Value(-0.0).as_double()));
}

TEST(Value, integers_and_doubles_compare_exactly_beyond_53_bits) {
  const Value big(std::int64_t{9007199254740993});
  const Value rounded(9007199254740992.0);
  EXPECT_NE(big, rounded);
  EXPECT_GT(Value::compare(big, rounded), 0);
  EXPECT_LT(Value::compare(Value(std::numeric_limits<std::int64_t>::max()), Value(9223372036854775808.0)), 0);
}

TEST(Value, not_a_number_equals_nothing_and_sorts_first) {
  const Value nan(std::numeric_limits<double>::quiet_NaN());
  EXPECT_NE(nan, nan);
  EXPECT_LT(Value::compare(nan, Value(-std::numeric_limits<double>::infinity())), 0);
}

TEST(Value, strings_of_every_length_keep_their_bytes) {
  for (std::size_t size = 0; size < 40; ++size) {
    const std::string text(size, 'x');
    const Value value{text};
    const Value copy = value;
    EXPECT_EQ(copy.as_string(), text);
    EXPECT_EQ(copy, value);
  }
}

TEST(Value, appending_to_a_string_leaves_its_copies_alone) {
  Value text("0123456789abcdefgh");
  const Value copy = text;
  text.append(text.as_string());
  EXPECT_EQ(copy.as_string(), "0123456789abcdefgh");
  EXPECT_EQ(text.as_string(), "0123456789abcdefgh0123456789abcdefgh");
}

TEST(Value, a_change_is_never_seen_by_another_holder) {
  Value array = Value::array({Value(1), Value(2)});
  const Value copy = array;
  array.push_back(Value(3));
  array.set_at(0, Value(9));
  EXPECT_EQ(copy, Value::array({Value(1), Value(2)}));
  EXPECT_EQ(array, Value::array({Value(9), Value(2), Value(3)}));

  Value object = {{"a", 1}};
  const Value before = object;
  object.set("a", Value(2));
  EXPECT_EQ(*before.find("a"), Value(1));
  EXPECT_EQ(before.with("b", Value(3)).size(), 2U);
  EXPECT_EQ(before.size(), 1U);
}

TEST(Value, objects_keep_insertion_order_and_find_keys_at_every_size) {
  Value object = Value::object();
  for (int i = 999; i >= 0; --i) object.set("key-number-" + std::to_string(i), Value(i));
  ASSERT_EQ(object.size(), 1000U);
  EXPECT_EQ(object.entries()[0].name(), "key-number-999");
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(*object.find("key-number-" + std::to_string(i)), Value(i));
  EXPECT_EQ(object.find("absent"), nullptr);
  EXPECT_TRUE(object.erase("key-number-999"));
  EXPECT_FALSE(object.erase("key-number-999"));
  EXPECT_EQ(object.entries()[0].name(), "key-number-998");
  EXPECT_EQ(*object.find("key-number-0"), Value(0));
}

TEST(Value, objects_are_equal_whatever_their_order) {
  EXPECT_EQ((Value{{"a", 1}, {"b", 2}}), (Value{{"b", 2}, {"a", 1}}));
  EXPECT_NE((Value{{"a", 1}}), (Value{{"a", 2}}));
}

TEST(Value, kinds_sort_as_jq_sorts_them) {
  const std::vector<Value> sorted = {
      Value(),        Value(false), Value(true), Value(1), Value("a"), Value::array(), Value::array({Value(1)}),
      Value::object()};
  for (std::size_t i = 0; i + 1 < sorted.size(); ++i) EXPECT_LT(Value::compare(sorted[i], sorted[i + 1]), 0) << i;
}

TEST(Value, a_million_nested_arrays_are_freed_without_a_deep_stack) {
  Value value = Value::array();
  for (int i = 0; i < 1'000'000; ++i) {
    Value outer = Value::make_array(1);
    outer.push_back(std::move(value));
    value = std::move(outer);
  }
  EXPECT_EQ(value.size(), 1U);
}

TEST(Value, a_comparison_stops_at_its_depth_and_at_its_steps) {
  Value a = Value::array();
  for (int i = 0; i < 100; ++i) a = Value::array({a, a});
  Value b = Value::array();
  for (int i = 0; i < 100; ++i) b = Value::array({b, b});
  Effort shallow{.steps = 1'000'000, .depth_max = 50};
  (void)equal_within(a, b, shallow);
  EXPECT_TRUE(shallow.too_deep);
  Effort few{.steps = 1000, .depth_max = 1000};
  (void)compare_within(a, b, few);
  EXPECT_TRUE(few.out_of_steps);
}

TEST(Value, threads_may_share_and_drop_the_same_nodes) {
  const Value shared = Value::array({Value("a string of some length"), Value{{"k", 1}}});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&shared] {
      for (int j = 0; j < 10'000; ++j) {
        Value copy = shared;
        copy.push_back(Value(j));
        ASSERT_EQ(copy.size(), 3U);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(shared.size(), 2U);
}

}  // namespace
}  // namespace trv::json
