#pragma once
// Aligned columns for people. Cells are escaped here: callers pass what the server sent. One thread.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/cli/terminal/layout.hpp"

namespace trv::cli {

enum class Colour { none, bold, dim, green, yellow, red };

/// `text` in a colour; unchanged where the style has none.
[[nodiscard]] std::string coloured(std::string_view text, Colour colour, const Style& style);

/// The colour in which a status or an outcome is shown.
[[nodiscard]] Colour colour_of(std::string_view outcome) noexcept;

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// As many cells as columns; each is escaped.
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }

  /// Titles and rows, each line ending with a line feed and without blanks at its end. Keeps to the width of the style
  /// as layout.hpp says; a text that is wider than its column ends with "…".
  [[nodiscard]] std::string render(const Style& style) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// A table whose rows are printed as they come, so each column needs a `width`. Keeps to the width of the style as
/// layout.hpp says; there, a cell that is wider than its column is cut and ends in "…", but no id in a file. Without a
/// width nothing is cut.
class RunningTable {
 public:
  RunningTable(std::vector<Column> columns, Style style);

  [[nodiscard]] std::string titles() const;
  /// As many cells as columns; each is escaped.
  [[nodiscard]] std::string row(const std::vector<std::string>& cells) const;

 private:
  std::vector<Column> columns_;
  Style style_;
  std::vector<std::size_t> widths_;
};

/// Two columns without titles: what a thing is called and what it is. A value in one piece is never broken: a token
/// that goes over the edge of a terminal can still be copied.
[[nodiscard]] std::string render_fields(const std::vector<std::pair<std::string, std::string>>& fields,
                                        const Style& style);

}  // namespace trv::cli
