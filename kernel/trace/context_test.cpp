// A trace's places are read and written as W3C Trace Context has them, and are the same again for the same work.

#include "kernel/trace/context.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "kernel/trace/attributes.hpp"

namespace trv::trace {
namespace {

constexpr std::string_view sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Context, a_traceparent_is_read_and_written) {
  const auto context = Context::parse(sampled);
  ASSERT_TRUE(context);
  EXPECT_TRUE(context->is_sampled);
  EXPECT_EQ(context->trace_text(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(context->span_text(), "00f067aa0ba902b7");
  EXPECT_EQ(context->to_traceparent(), sampled);
  EXPECT_FALSE(Context::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")->is_sampled);
  EXPECT_TRUE(Context::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03")->is_sampled);
}

TEST(Context, what_is_no_traceparent_of_version_00_is_none) {
  for (const char* text : {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
                           "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bx-01",
                           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
                           "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    EXPECT_FALSE(Context::parse(text)) << text;
  }
}

TEST(Attributes, are_visited_in_their_order_whatever_bytes_they_have) {
  Attributes attributes = {{"a", "1"}, {"", ""}};
  attributes.add("name", std::string_view("\0\xff", 2));
  attributes.add("long", std::string(100'000, 'x'));
  std::vector<std::pair<std::string, std::string>> seen;
  attributes.add("number", -7);
  attributes.for_each([&](std::string_view name, std::string_view value, bool is_number) {
    EXPECT_EQ(is_number, name == "number");
    seen.emplace_back(name, value);
  });
  EXPECT_EQ(seen, (std::vector<std::pair<std::string, std::string>>{{"a", "1"},
                                                                    {"", ""},
                                                                    {"name", std::string("\0\xff", 2)},
                                                                    {"long", std::string(100'000, 'x')},
                                                                    {"number", "-7"}}));
}

TEST(Context, a_part_is_of_its_trace_and_has_the_same_id_each_time) {
  const Context whole = *Context::parse(sampled);
  const Context part = whole.child("effect");
  EXPECT_EQ(part, whole.child("effect"));
  EXPECT_EQ(part.trace, whole.trace);
  EXPECT_TRUE(part.is_sampled);
  EXPECT_NE(part.span, whole.span);
  EXPECT_NE(part.span, whole.child("other").span);
  EXPECT_NE(part.child("x").span, whole.child("x").span);
  const Context begun = Context::begin("one", false);
  EXPECT_EQ(Context::parse(begun.to_traceparent()), begun);
  EXPECT_NE(begun.trace, Context::begin("two", false).trace);
}

}  // namespace
}  // namespace trv::trace
