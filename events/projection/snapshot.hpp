#pragma once
// What a snapshot says of itself: its manifest (docs/formats/snapshot.md). Values; any thread.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "events/projection/applied.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::projection {

struct Snapshot {
  record::ShardId shard;
  Applied applied;      ///< at lsn 1 or behind it
  std::string layout;   ///< of the projectors that made it
  base::Digest blob{};  ///< its content
  std::uint64_t bytes = 0;
  base::Timestamp taken;

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

[[nodiscard]] std::string to_text(const Snapshot& snapshot);
/// Error: corrupt, with the line.
[[nodiscard]] base::Result<Snapshot> parse_snapshot(std::string_view text);

struct Manifests {
  std::vector<Snapshot> snapshots;      ///< by lsn, the greatest first
  std::vector<std::string> unreadable;  ///< why, each with the file
};

[[nodiscard]] std::filesystem::path manifest_path(const std::filesystem::path& folder, record::ShardId shard,
                                                  record::Lsn lsn);
/// Of a shard, in a folder of snapshots. Error: unavailable.
[[nodiscard]] base::Result<Manifests> read_manifests(const std::filesystem::path& folder, record::ShardId shard);
/// The shards that have a folder in it, in order; none where there is no such folder. Error: unavailable.
[[nodiscard]] base::Result<std::vector<record::ShardId>> shards_in(const std::filesystem::path& folder);

}  // namespace trv::projection
