#pragma once
// Makes a data folder out of a target, as of its end or of an earlier moment.

#include <filesystem>
#include <variant>

#include "kernel/recovery/history.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/uuid.hpp"

namespace trv::recovery {

/// Everything that the target has.
struct UntilEnd {};
/// Every decision up to this time.
struct UntilTime {
  base::Timestamp time;
};
/// Up to the decision of this event, and in the other shards up to its time.
struct UntilEvent {
  base::Uuid id;
};
/// Up to the decision of this record, and in the other shards up to its time.
struct UntilLsn {
  ShardId shard;
  Lsn lsn;
};
/// Of each shard up to the decision of this record, as of segment `segment`. For comparing with states.
struct UntilStates {
  std::uint64_t segment;
};
using Until = std::variant<UntilEnd, UntilTime, UntilEvent, UntilLsn, UntilStates>;

struct RestoredShard {
  ShardId shard;
  Lsn first;             ///< that the log begins with
  Lsn last;              ///< 0: none
  base::Timestamp time;  ///< of the last one
};

struct Restored {
  std::uint64_t segment = 0;  ///< the last one that was needed
  std::uint64_t records = 0;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::vector<RestoredShard> shards;
};

/// The file by which a restored folder says what it is: JSON.
inline constexpr std::string_view restored_file = "restored.json";

/// Makes `to`, which must be empty or not exist, a data folder with an embedded log; durable on return. Every byte is
/// held against the manifests, and every record against the chain, on the way. After an error, or a kill, travd refuses
/// the folder. `trusted`: as for read_history(). Errors: conflict (`to` is not empty); invalid (the moment is not in
/// the target; says what is); corrupt, with the place; not_found (no backup); those of the target and of the disk.
[[nodiscard]] base::Result<Restored> restore(Target& target, const std::optional<note::VerifierKey>& trusted,
                                             const std::filesystem::path& to, const Until& until,
                                             const base::Clock& clock, base::Random& random,
                                             const Progress& progress = {});

/// One line for people about a folder that was restored; empty for any other. Error: unavailable.
[[nodiscard]] base::Result<std::string> restored_line(const std::filesystem::path& data);

}  // namespace trv::recovery
