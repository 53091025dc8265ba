#pragma once
// How wide the columns of a table are on a screen. Pure; any thread.
//
// Where a table is wider than the screen, the widest texts are cut until it fits. Where that is not enough, the last
// column is left out, and so on. Ids and times are never cut: a part of one is of no use. At least one column is shown.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace trv::cli {

enum class Align { left, right };

/// What a cell becomes on a screen.
enum class Fit {
  text,   ///< may be cut
  id,     ///< stays whole: it is there to be copied
  time,   ///< "2026-01-31 12:00" (UTC, like all times here)
  clock,  ///< "12:00:00"
};

struct Column {
  std::string title;
  Align align = Align::left;
  Fit fit = Fit::text;
  std::size_t width = 0;  ///< where the rows are not known in advance; 0 = as wide as the widest cell
};

struct Style {
  int columns = 0;  ///< width to keep to; 0 = unlimited
  bool colour = false;
};

/// The cell as a screen of this style shows it, before it is cut.
[[nodiscard]] std::string shown(std::string_view cell, Fit fit, const Style& style);

inline constexpr std::string_view column_gap = "  ";

/// The width of each column that is shown, from the first; cells are printable text.
[[nodiscard]] std::vector<std::size_t> widths_of(const std::vector<Column>& columns,
                                                 const std::vector<std::vector<std::string>>& rows, const Style& style);

}  // namespace trv::cli
