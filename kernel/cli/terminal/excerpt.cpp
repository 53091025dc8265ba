#include "kernel/cli/terminal/excerpt.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/cli/terminal/text.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/line_of.hpp"

namespace trv::cli {
namespace {

constexpr std::string_view cut = "…";

}  // namespace

std::string excerpt(std::string_view text, int line, int column, int length, std::size_t width) {
  TRV_EXPECTS(width >= 20 && length >= 0);
  if (line < 1 || column < 1) return {};
  const std::string_view whole = base::line_of(text, line);
  if (whole.find_first_not_of(" \t") == std::string_view::npos) return {};
  // A tab becomes spaces in both parts, so that the caret is where the place is whatever the terminal makes of tabs.
  const std::size_t place = std::min(static_cast<std::size_t>(column - 1), whole.size());
  std::string before = printable(whole.substr(0, place), LineEnds::kept);
  std::string after = printable(whole.substr(place), LineEnds::kept);
  const std::size_t at_fault =
      display_width(printable(whole.substr(place, static_cast<std::size_t>(length)), LineEnds::kept));
  if (display_width(before) + display_width(after) > width) {
    // Half of the room is for what is before the place, more where what follows needs less.
    const std::size_t room = std::max(width / 2, width - std::min(width, display_width(after)));
    if (const std::size_t all = display_width(before); all > room) {
      before = std::string(cut) + before.substr(prefix_of_width(before, all - room + 1));
    }
    if (!after.empty()) after = fitted(after, std::max<std::size_t>(width - std::min(width, display_width(before)), 1));
  }
  const std::size_t carets = std::clamp<std::size_t>(at_fault, 1, std::max<std::size_t>(display_width(after), 1));
  return fmt::format("  {}{}\n  {:{}}{:^>{}}\n", before, after, "", display_width(before), "", carets);
}

}  // namespace trv::cli
