#pragma once
// How wide the columns of a table are on a screen. Pure; any thread.
//
// Where a table is wider than the screen, it gives way in this order until it fits:
//   1. times lose their fraction and zone: "2026-01-31 12:00:00" (UTC, like all times here)
//   2. times lose what their kind says: Fit::time "01-31 12:00", Fit::date "2026-01-31", Fit::clock "12:00:00"
//   3. columns with a drop rank are left out, the highest rank first
//   4. texts get narrower, the widest first
//   5. on a terminal only, ids get narrower, too
// Whatever does not fit then stands out over the edge. A style without a width changes nothing.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace trv::cli {

enum class Align { left, right };

/// What a column may lose.
enum class Fit {
  text,   ///< width
  id,     ///< width, on a terminal only: it is there to be copied
  time,   ///< the year and the seconds
  date,   ///< the time of day
  clock,  ///< the day
};

struct Column {
  std::string title;
  Align align = Align::left;
  Fit fit = Fit::text;
  unsigned drop = 0;           ///< may be left out; of several the highest goes first. 0 = stays
  std::size_t width_min = 12;  ///< a column that is wider is not narrowed below this
  std::size_t width = 0;       ///< where the rows are not known in advance; 0 = as wide as the widest cell
};

enum class Target { file, terminal };

struct Style {
  int columns = 0;  ///< width to keep to; 0 = unlimited
  bool colour = false;
  Target target = Target::file;
};

/// How much of a time is told.
enum class TimeForm { whole, seconds, brief };

/// "2026-01-31T12:00:00.123456Z" in a form; any other text as it is.
[[nodiscard]] std::string time_text(std::string_view text, Fit fit, TimeForm form);

struct Place {
  std::size_t column = 0;  ///< index
  std::size_t width = 0;
};

struct Layout {
  TimeForm form = TimeForm::whole;
  std::vector<Place> places;  ///< the columns that are shown, from left to right
};

inline constexpr std::string_view column_gap = "  ";

/// The layout of columns and the rows that are known; cells are printable text.
[[nodiscard]] Layout layout_of(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows,
                               const Style& style);

}  // namespace trv::cli
