#include "kernel/cli/table.hpp"

#include <algorithm>
#include <numeric>

#include "kernel/cli/text.hpp"
#include "sdk/base/contract.hpp"

namespace trv::cli {
namespace {

constexpr std::string_view gap = "  ";

// The lines of a cell of this width; breaks behind blanks where there are any.
std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  do {
    std::size_t take = prefix_of_width(text, width);
    if (take < text.size()) {
      const std::size_t blank = text.substr(0, take).rfind(' ');
      if (blank != std::string_view::npos && blank > 0) take = blank + 1;
    }
    std::string_view line = text.substr(0, take);
    while (line.ends_with(' ')) line.remove_suffix(1);
    lines.emplace_back(line);
    text.remove_prefix(take);
  } while (!text.empty());
  return lines;
}

std::string padded(const std::string& text, std::size_t width, Align align) {
  const std::size_t used = display_width(text);
  const std::string blanks(used < width ? width - used : 0, ' ');
  return align == Align::right ? blanks + text : text + blanks;
}

void trim_end(std::string& line) {
  line.erase(line.find_last_not_of(' ') + 1);
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

std::vector<std::size_t> Table::widths(const Style& style) const {
  std::vector<std::size_t> widths(columns_.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths[i] = std::max(display_width(columns_[i].title), columns_[i].width_min);
    for (const auto& row : rows_) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  if (style.columns <= 0) return widths;
  const std::size_t gaps = gap.size() * (columns_.size() - 1);
  const auto limit = static_cast<std::size_t>(style.columns);
  const auto floor_of = [&](std::size_t i) {
    return std::max({display_width(columns_[i].title), columns_[i].width_min, std::size_t{6}});
  };
  for (std::size_t total = std::accumulate(widths.begin(), widths.end(), gaps); total > limit; --total) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= floor_of(static_cast<std::size_t>(widest - widths.begin()))) break;
    --*widest;
  }
  return widths;
}

std::string Table::render(const Style& style) const {
  if (columns_.empty()) return {};
  const std::vector<std::size_t> width = widths(style);
  std::string out;
  std::string titles;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (i > 0) titles += gap;
    titles += padded(columns_[i].title, width[i], columns_[i].align);
  }
  trim_end(titles);
  if (titles.find_first_not_of(' ') != std::string::npos) out += coloured(titles, Colour::bold, style) + "\n";
  for (const auto& row : rows_) {
    std::vector<std::vector<std::string>> cells;
    std::size_t height = 1;
    for (std::size_t i = 0; i < row.size(); ++i) {
      cells.push_back(wrapped(row[i], width[i]));
      height = std::max(height, cells.back().size());
    }
    for (std::size_t line = 0; line < height; ++line) {
      std::string text;
      std::size_t blanks = 0;
      for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string cell = padded(line < cells[i].size() ? cells[i][line] : "", width[i], columns_[i].align);
        const std::size_t end = cell.find_last_not_of(' ') + 1;
        if (end > 0) {
          text.append(blanks, ' ');
          text += coloured(cell.substr(0, end), colour_of(row[i]), style);
          blanks = 0;
        }
        blanks += cell.size() - end + gap.size();
      }
      out += text + "\n";
    }
  }
  return out;
}

std::string render_fields(const std::vector<std::pair<std::string, std::string>>& fields, const Style& style) {
  Table table({{.title = ""}, {.title = ""}});
  for (const auto& [name, value] : fields) table.add({name, value});
  return table.render(style);
}

}  // namespace trv::cli
