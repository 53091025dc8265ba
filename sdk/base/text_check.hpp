#pragma once
// The rule for texts that people name things with.

#include <cstddef>
#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::base {

struct TextRule {
  std::size_t characters_min = 1;
  std::size_t characters_max = 0;
};

/// Whether `text`, which is UTF-8, has as many characters as the rule allows and no control character (U+0000 to
/// U+001F, U+007F). Error: invalid; it names `what` and the rule.
[[nodiscard]] Status check_text(std::string_view what, std::string_view text, TextRule rule);

}  // namespace trv::base
