#pragma once
// One line of a text, for messages about a place in it. Pure; any thread.

#include <string_view>

namespace trv::base {

/// Line `number`, from 1, without its end; empty where the text has none such.
[[nodiscard]] inline std::string_view line_of(std::string_view text, int number) noexcept {
  if (number < 1) return {};
  for (int line = 1; line < number; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

}  // namespace trv::base
