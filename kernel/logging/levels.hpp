#pragma once
// The parts of the daemon that write lines of the log, and which of their lines are written.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::logging {

/// A part of the daemon whose lines have a level of their own.
enum class Room : std::uint8_t { daemon, http, node, shard, effects, plugins, egress, backup, telemetry };
inline constexpr std::array<std::string_view, 9> room_names = {"daemon",  "http",   "node",   "shard",    "effects",
                                                               "plugins", "egress", "backup", "telemetry"};

/// From the least severe on.
enum class Level : std::uint8_t { debug, info, warning, error };
inline constexpr std::array<std::string_view, 4> level_names = {"debug", "info", "warning", "error"};

/// The least severe level that each room writes, by the room's number.
using Levels = std::array<Level, room_names.size()>;

/// `level` for every room but those that `of_rooms` names, as "egress=debug, shard=info". Error: invalid, with the word
/// that is wrong and the words that there are.
[[nodiscard]] base::Result<Levels> parse_levels(std::string_view level, std::string_view of_rooms);

}  // namespace trv::logging
