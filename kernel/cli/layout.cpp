#include "kernel/cli/layout.hpp"

#include <algorithm>
#include <cctype>
#include <limits>

#include "kernel/cli/text.hpp"
#include "sdk/base/contract.hpp"

namespace trv::cli {
namespace {

constexpr std::size_t id_width_min = 9;

bool is_time(Fit fit) noexcept {
  return fit == Fit::time || fit == Fit::date || fit == Fit::clock;
}

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

std::size_t natural_width(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows,
                          std::size_t column, TimeForm form) {
  const Column& of = columns[column];
  std::size_t width = display_width(of.title);
  if (of.width > 0) {
    constexpr std::string_view longest = "2026-01-31T12:00:00.123456Z";
    const std::size_t told = is_time(of.fit) ? time_text(longest, of.fit, form).size() : of.width;
    return std::max(width, std::min(told, of.width));
  }
  for (const auto& row : rows) {
    TRV_ASSERT(row.size() == columns.size());
    const std::string& cell = row[column];
    width = std::max(width, display_width(is_time(of.fit) ? time_text(cell, of.fit, form) : cell));
  }
  return width;
}

std::size_t total_width(const std::vector<Place>& places) {
  std::size_t total = places.empty() ? 0 : column_gap.size() * (places.size() - 1);
  for (const Place& place : places) total += place.width;
  return total;
}

// Takes width from the widest columns of a kind, down to their floors, until the table fits.
void narrow(std::vector<Place>& places, const std::vector<Column>& columns, Fit fit, std::size_t limit) {
  const auto floor_of = [&](const Place& place) {
    const Column& column = columns[place.column];
    return std::max(display_width(column.title), fit == Fit::id ? id_width_min : column.width_min);
  };
  for (std::size_t total = total_width(places); total > limit; --total) {
    Place* widest = nullptr;
    for (Place& place : places) {
      const bool may = columns[place.column].fit == fit && place.width > floor_of(place);
      if (may && (widest == nullptr || place.width > widest->width)) widest = &place;
    }
    if (widest == nullptr) return;
    --widest->width;
  }
}

}  // namespace

std::string time_text(std::string_view text, Fit fit, TimeForm form) {
  if (form == TimeForm::whole || !begins_as_time(text)) return std::string(text);
  std::string spaced(text.substr(0, 19));
  spaced[10] = ' ';
  if (form == TimeForm::seconds) return spaced;
  switch (fit) {
    case Fit::time: return spaced.substr(5, 11);
    case Fit::date: return spaced.substr(0, 10);
    case Fit::clock: return spaced.substr(11);
    case Fit::text:
    case Fit::id: break;
  }
  return std::string(text);
}

Layout layout_of(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows,
                 const Style& style) {
  TRV_EXPECTS(!columns.empty());
  const auto limit =
      style.columns > 0 ? static_cast<std::size_t>(style.columns) : std::numeric_limits<std::size_t>::max();
  Layout layout;
  for (const TimeForm form : {TimeForm::whole, TimeForm::seconds, TimeForm::brief}) {
    layout.form = form;
    layout.places.clear();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      layout.places.push_back({.column = i, .width = natural_width(columns, rows, i, form)});
    }
    if (total_width(layout.places) <= limit) return layout;
  }
  while (total_width(layout.places) > limit) {
    const auto least =
        std::ranges::max_element(layout.places, {}, [&](const Place& place) { return columns[place.column].drop; });
    if (columns[least->column].drop == 0) break;
    layout.places.erase(least);
  }
  narrow(layout.places, columns, Fit::text, limit);
  if (style.target == Target::terminal) narrow(layout.places, columns, Fit::id, limit);
  TRV_ENSURES(!layout.places.empty());
  return layout;
}

}  // namespace trv::cli
