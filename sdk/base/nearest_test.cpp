#include "sdk/base/nearest.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace trv::base {
namespace {

TEST(Nearest, the_nearest_word_is_found_and_a_far_one_is_not) {
  constexpr std::array<std::string_view, 4> words = {"tenant", "token", "instance", "workflow"};
  EXPECT_EQ(nearest("tenat", words), "tenant");
  EXPECT_EQ(nearest("tokne", words), "token");
  EXPECT_EQ(nearest("work", words), "workflow");
  EXPECT_EQ(nearest("zebra", words), "");
  EXPECT_EQ(nearest("", words), "");
  EXPECT_EQ(nearest(std::string(10'000, 'a'), words), "");
}

TEST(Nearest, of_equals_the_first_and_nothing_that_is_too_long_is_compared) {
  const std::string long_word(65, 'a');
  const std::array<std::string_view, 4> words = {"", long_word, "abd", "abe"};
  EXPECT_EQ(nearest("abc", words), "abd");
  EXPECT_EQ(nearest(std::string(64, 'a'), words), "");
  EXPECT_EQ(nearest("abc", {}), "");
}

}  // namespace
}  // namespace trv::base
