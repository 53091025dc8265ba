#pragma once
// Aligned columns for people. Cells are escaped here: callers pass what the server sent. One thread.

#include <string>
#include <string_view>
#include <vector>

namespace trv::cli {

enum class Align { left, right };
enum class Colour { none, bold, dim, green, yellow, red };

struct Column {
  std::string title;
  Align align = Align::left;
  std::size_t width_min = 1;  ///< the column is never narrowed below this
};

struct Style {
  int columns = 0;  ///< width to wrap to; 0 = never wrap
  bool colour = false;
};

/// `text` in a colour; unchanged where the style has none.
[[nodiscard]] std::string coloured(std::string_view text, Colour colour, const Style& style);

/// The colour in which a status or an outcome is told.
[[nodiscard]] Colour colour_of(std::string_view outcome) noexcept;

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// As many cells as columns; each is escaped.
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }

  /// Titles and rows, each line ending with a line feed and without blanks at its end. Where the table is wider than
  /// the style, the widest columns wrap.
  [[nodiscard]] std::string render(const Style& style) const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths(const Style& style) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Two columns without titles: what a thing is called and what it is.
[[nodiscard]] std::string render_fields(const std::vector<std::pair<std::string, std::string>>& fields,
                                        const Style& style);

}  // namespace trv::cli
