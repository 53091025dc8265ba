#include "kernel/cli/terminal/table.hpp"

#include <algorithm>

#include "kernel/cli/terminal/text.hpp"
#include "sdk/base/contract.hpp"

namespace trv::cli {
namespace {

// A value up to this length without blanks is one piece: an id, a token, a digest.
constexpr std::size_t piece_bytes_max = 128;
constexpr std::size_t field_width_min = 20;

// Where a line of at most `width` columns ends: behind a blank, else behind punctuation in its second half.
std::size_t line_end(std::string_view text, std::size_t width) {
  const std::size_t take = prefix_of_width(text, width);
  if (take >= text.size()) return text.size();
  const std::size_t blank = text.substr(0, take).rfind(' ');
  if (blank != std::string_view::npos && blank > 0) return blank + 1;
  const std::size_t mark = text.substr(0, take).find_last_of("/:,");
  return mark != std::string_view::npos && mark >= take / 2 ? mark + 1 : take;
}

// The lines of a cell of this width.
std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  TRV_EXPECTS(width > 0);
  std::vector<std::string> lines;
  do {
    const std::size_t take = line_end(text, width);
    std::string_view line = text.substr(0, take);
    while (line.ends_with(' ')) line.remove_suffix(1);
    lines.emplace_back(line);
    text.remove_prefix(take);
  } while (!text.empty());
  return lines;
}

// `shown` is `text` with its colour.
std::string padded(std::string_view text, const std::string& shown, std::size_t width, Align align) {
  const std::size_t used = display_width(text);
  const std::string blanks(used < width ? width - used : 0, ' ');
  return align == Align::right ? blanks + shown : shown + blanks;
}

void trim_end(std::string& line) {
  line.erase(line.find_last_not_of(' ') + 1);
}

enum class Part { titles, row };

// One line of a table. What is left of a screen's line belongs to the last column that is shown.
std::string line(const std::vector<Column>& columns, const std::vector<std::string>& cells,
                 const std::vector<std::size_t>& widths, const Style& style, Part part) {
  TRV_EXPECTS(cells.size() == columns.size() && widths.size() <= columns.size());
  const auto limit = static_cast<std::size_t>(std::max(style.columns, 0));
  std::string line;
  std::size_t used = 0;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const Column& column = columns[i];
    std::string cell = shown(cells[i], column.fit, style);
    if (limit > 0 && column.fit == Fit::text) {
      const bool is_last = i + 1 == widths.size();
      cell = fitted(cell, is_last ? std::max(widths[i], limit - std::min(used, limit)) : widths[i]);
    }
    const std::string text = part == Part::titles ? cell : coloured(cell, colour_of(cells[i]), style);
    if (i > 0) line += column_gap;
    line += padded(cell, cell.empty() ? cell : text, widths[i], column.align);
    used += std::max(widths[i], display_width(cell)) + column_gap.size();
  }
  trim_end(line);
  return (part == Part::titles && !line.empty() ? coloured(line, Colour::bold, style) : line) + "\n";
}

}  // namespace

std::string coloured(std::string_view text, Colour colour, const Style& style) {
  if (!style.colour || colour == Colour::none) return std::string(text);
  const auto code = [&]() -> std::string_view {
    switch (colour) {
      case Colour::none: return "0";
      case Colour::bold: return "1";
      case Colour::dim: return "2";
      case Colour::green: return "32";
      case Colour::yellow: return "33";
      case Colour::red: return "31";
    }
    return "0";
  }();
  return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

Colour colour_of(std::string_view outcome) noexcept {
  if (outcome == "completed" || outcome == "succeeded" || outcome == "ok") return Colour::green;
  if (outcome == "faulted" || outcome == "failed" || outcome == "error") return Colour::red;
  if (outcome == "cancelled" || outcome == "waiting" || outcome == "running" || outcome == "retried")
    return Colour::yellow;
  return Colour::none;
}

void Table::add(std::vector<std::string> cells) {
  TRV_EXPECTS(cells.size() == columns_.size());
  for (std::string& cell : cells) cell = printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::render(const Style& style) const {
  if (columns_.empty()) return {};
  const std::vector<std::size_t> widths = widths_of(columns_, rows_, style);
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  std::string out = line(columns_, titles, widths, style, Part::titles);
  if (out == "\n") out.clear();
  for (const auto& row : rows_) out += line(columns_, row, widths, style, Part::row);
  return out;
}

RunningTable::RunningTable(std::vector<Column> columns, Style style)
    : columns_(std::move(columns)), style_(style), widths_(widths_of(columns_, {}, style_)) {
  TRV_EXPECTS(std::ranges::all_of(columns_, [](const Column& column) { return column.width > 0; }));
}

std::string RunningTable::titles() const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  return line(columns_, titles, widths_, style_, Part::titles);
}

std::string RunningTable::row(const std::vector<std::string>& cells) const {
  std::vector<std::string> safe;
  for (const std::string& cell : cells) safe.push_back(printable(cell));
  return line(columns_, safe, widths_, style_, Part::row);
}

std::string render_fields(const std::vector<std::pair<std::string, std::string>>& fields, const Style& style) {
  std::size_t name_width = 0;
  for (const auto& [name, value] : fields) name_width = std::max(name_width, display_width(name));
  const std::size_t indent = name_width + column_gap.size();
  const auto limit = static_cast<std::size_t>(std::max(style.columns, 0));
  std::string out;
  for (const auto& [name, value] : fields) {
    const std::string text = printable(value);
    const bool is_piece = text.size() <= piece_bytes_max && text.find(' ') == std::string::npos;
    const bool fits = limit == 0 || indent + display_width(text) <= limit;
    const std::size_t width = limit > indent + field_width_min ? limit - indent : field_width_min;
    std::string before = padded(name, name, name_width, Align::left);
    for (const std::string& part : fits || is_piece ? std::vector{text} : wrapped(text, width)) {
      std::string line = before + std::string(column_gap) + coloured(part, colour_of(text), style);
      trim_end(line);
      out += line + "\n";
      before.assign(name_width, ' ');
    }
  }
  return out;
}

}  // namespace trv::cli
