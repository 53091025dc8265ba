#pragma once
// A rehearsal of a recovery: what it would bring back, and how long it would take.

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "events/projection/projection.hpp"
#include "kernel/json/value.hpp"
#include "kernel/recovery/restore.hpp"

namespace trv::recovery {

/// What the projections are now, for a segment to carry. Each is one read transaction; no writer waits. Errors: of the
/// projections.
[[nodiscard]] base::Result<StateDigest> state_of(const projection::Projection& projection);
/// The same of projections that another process has open, in `<data>/projection`; empty where none are there.
[[nodiscard]] base::Result<std::vector<StateDigest>> states_in(const std::filesystem::path& data);

/// The scratch folders begin with it; what a process left that was killed is removed by the next one that owns the
/// place.
inline constexpr std::string_view scratch_name = ".backup-drill";

struct ComparedShard {
  ShardId shard;
  Lsn lsn;
  std::string live;      ///< digest of the live state, in hexadecimal
  std::string restored;  ///< the same of the state that the restored log leads to; empty where it was not compared
  std::string problem;   ///< empty: both are the same
};

struct Drilled {
  Restored restored;
  std::uint64_t replayed = 0;  ///< records
  base::Timestamp begun;
  base::Timestamp last_event;         ///< of the newest decision in the target
  base::Duration recovery_point{};    ///< at the beginning: how much of the past could not have been recovered
  base::Duration restore_time{};      ///< reading, checking and writing
  base::Duration replay_time{};       ///< making the state from the log
  std::vector<ComparedShard> shards;  ///< of which the target has the digest of a live state
  std::vector<std::string> missing;   ///< files that the restored state names and the target lacks

  [[nodiscard]] base::Duration recovery_time() const { return restore_time + replay_time; }
  /// Something was compared, and nothing differs or is missing.
  [[nodiscard]] bool is_good() const;
  /// Nothing differs or is missing; it may be that nothing was compared.
  [[nodiscard]] bool has_problem() const;
};

/// Restores into a scratch folder in `parent`, which is removed again, replays, and compares with the newest states
/// that the target has; where it has none, restores everything and compares nothing. `recovery_point`: where the caller
/// knows it better than the target, which only has the time of its last segment. What differs is a
/// problem in the result, and not an error. Errors: as restore(); of the replay;
/// cancelled where `stop` asked for the end of that.
[[nodiscard]] base::Result<Drilled> drill(Target& target, const std::optional<note::VerifierKey>& trusted,
                                          const std::filesystem::path& parent,
                                          std::optional<base::Duration> recovery_point, const base::Clock& clock,
                                          base::Random& random, const Progress& progress = {},
                                          const std::stop_token& stop = {});

[[nodiscard]] json::Value as_json(const Drilled& drilled);
/// For people, several lines without the last line end.
[[nodiscard]] std::string as_text(const Drilled& drilled);

}  // namespace trv::recovery
