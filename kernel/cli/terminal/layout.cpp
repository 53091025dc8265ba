#include "kernel/cli/terminal/layout.hpp"

#include <algorithm>
#include <cctype>
#include <numeric>

#include "kernel/cli/terminal/text.hpp"
#include "sdk/base/contract.hpp"

namespace trv::cli {
namespace {

/// A text is not cut below this, or below its title.
constexpr std::size_t text_width_min = 12;

// Begins as "2026-01-31T12:00:00".
bool begins_as_time(std::string_view text) noexcept {
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd";
  if (text.size() < shape.size()) return false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool fits = shape[i] == 'd' ? std::isdigit(static_cast<unsigned char>(text[i])) != 0 : text[i] == shape[i];
    if (!fits) return false;
  }
  return true;
}

std::size_t natural_width(const Column& column, std::size_t index, const std::vector<std::vector<std::string>>& rows,
                          const Style& style) {
  std::size_t width = display_width(column.title);
  if (column.width > 0) {
    const bool is_time = column.fit == Fit::time || column.fit == Fit::clock;
    return std::max(width, is_time ? shown("2026-01-31T12:00:00.123456Z", column.fit, style).size() : column.width);
  }
  for (const auto& row : rows) {
    TRV_ASSERT(index < row.size());
    width = std::max(width, display_width(shown(row[index], column.fit, style)));
  }
  return width;
}

}  // namespace

std::string shown(std::string_view cell, Fit fit, const Style& style) {
  if (style.columns <= 0 || !begins_as_time(cell)) return std::string(cell);
  if (fit == Fit::clock) return std::string(cell.substr(11, 8));
  if (fit == Fit::time) return std::string(cell.substr(0, 10)) + " " + std::string(cell.substr(11, 5));
  return std::string(cell);
}

std::vector<std::size_t> widths_of(const std::vector<Column>& columns,
                                   const std::vector<std::vector<std::string>>& rows, const Style& style) {
  TRV_EXPECTS(!columns.empty());
  std::vector<std::size_t> natural;
  for (std::size_t i = 0; i < columns.size(); ++i) natural.push_back(natural_width(columns[i], i, rows, style));
  if (style.columns <= 0) return natural;
  const auto limit = static_cast<std::size_t>(style.columns);
  for (std::size_t count = columns.size();; --count) {
    std::vector<std::size_t> widths(natural.begin(), natural.begin() + static_cast<std::ptrdiff_t>(count));
    std::size_t total = std::accumulate(widths.begin(), widths.end(), column_gap.size() * (count - 1));
    while (total > limit) {
      std::size_t widest = count;
      for (std::size_t i = 0; i < count; ++i) {
        const bool may =
            columns[i].fit == Fit::text && widths[i] > std::max(display_width(columns[i].title), text_width_min);
        if (may && (widest == count || widths[i] > widths[widest])) widest = i;
      }
      if (widest == count) break;
      --widths[widest];
      --total;
    }
    if (total <= limit || count == 1) return widths;
  }
}

}  // namespace trv::cli
