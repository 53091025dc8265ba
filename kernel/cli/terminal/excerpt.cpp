#include "kernel/cli/terminal/excerpt.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/cli/terminal/text.hpp"
#include "sdk/base/contract.hpp"

namespace trv::cli {
namespace {

constexpr std::string_view cut = "…";

/// Line `number` without its end; empty where there is none.
std::string_view line_of(std::string_view text, int number) {
  for (int line = 1; line < number; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string excerpt(std::string_view text, int line, int column, std::size_t width) {
  TRV_EXPECTS(width >= 20);
  if (line < 1 || column < 1) return {};
  const std::string_view whole = line_of(text, line);
  if (whole.find_first_not_of(" \t") == std::string_view::npos) return {};
  // A tab becomes spaces in both parts, so that the caret is where the place is whatever the terminal makes of tabs.
  const std::size_t place = std::min(static_cast<std::size_t>(column - 1), whole.size());
  std::string before = printable(whole.substr(0, place), LineEnds::kept);
  std::string after = printable(whole.substr(place), LineEnds::kept);
  if (display_width(before) + display_width(after) > width) {
    // Half of the room is for what is before the place, more where what follows needs less.
    const std::size_t room = std::max(width / 2, width - std::min(width, display_width(after)));
    if (const std::size_t all = display_width(before); all > room) {
      before = std::string(cut) + before.substr(prefix_of_width(before, all - room + 1));
    }
    if (!after.empty()) after = fitted(after, std::max<std::size_t>(width - std::min(width, display_width(before)), 1));
  }
  return fmt::format("  {}{}\n  {:{}}^\n", before, after, "", display_width(before));
}

}  // namespace trv::cli
