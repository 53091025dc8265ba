#include "kernel/logging/levels.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <ranges>
#include <string>
#include <vector>

#include "sdk/base/field_text.hpp"
#include "sdk/base/nearest.hpp"

namespace trv::logging {
namespace {

template <std::size_t size>
std::optional<std::size_t> place_of(const std::array<std::string_view, size>& names, std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

base::Result<Level> parse_level(std::string_view text) {
  const auto level = place_of(level_names, text);
  if (level) return static_cast<Level>(*level);
  return base::fail(base::ErrorCode::invalid,
                    fmt::format("'{}' is not a level; use debug, info, warning or error", text));
}

}  // namespace

base::Result<Levels> parse_levels(std::string_view level, std::string_view of_rooms) {
  TRV_TRY_ASSIGN(const Level of_all, parse_level(level));
  Levels levels;
  levels.fill(of_all);
  if (base::trimmed(of_rooms).empty()) return levels;
  std::array<bool, room_names.size()> is_set{};
  for (const auto part : std::views::split(of_rooms, ',')) {
    const std::string_view pair = base::trimmed(std::string_view(part.begin(), part.end()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      return base::fail(base::ErrorCode::invalid,
                        fmt::format("'{}' is not of the form room=level, as egress=debug", pair));
    }
    const std::string_view name = base::trimmed(pair.substr(0, equals));
    const auto room = place_of(room_names, name);
    if (!room) {
      const std::string_view meant =
          base::nearest(name, std::vector<std::string_view>(room_names.begin(), room_names.end()));
      return base::fail(
          base::ErrorCode::invalid,
          fmt::format("'{}' is not a room of the log{}; the rooms are {}", name,
                      meant.empty() ? "" : fmt::format("; did you mean '{}'?", meant), fmt::join(room_names, ", ")));
    }
    if (std::exchange(is_set[*room], true)) {
      return base::fail(base::ErrorCode::invalid, fmt::format("the room '{}' is named twice; name it once", name));
    }
    TRV_TRY_ASSIGN(levels[*room], parse_level(base::trimmed(pair.substr(equals + 1))));
  }
  return levels;
}

}  // namespace trv::logging
