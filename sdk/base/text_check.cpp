#include "sdk/base/text_check.hpp"

#include <algorithm>
#include <string>

namespace trv::base {

Status check_text(std::string_view what, std::string_view text, TextRule rule) {
  const auto is_first_byte = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  const auto characters = static_cast<std::size_t>(std::ranges::count_if(text, is_first_byte));
  if (characters >= rule.characters_min && characters <= rule.characters_max &&
      std::ranges::none_of(text, is_control)) {
    return {};
  }
  return fail(ErrorCode::invalid, std::string(what) + " must be " + std::to_string(rule.characters_min) + " to " +
                                      std::to_string(rule.characters_max) + " characters without control characters");
}

}  // namespace trv::base
