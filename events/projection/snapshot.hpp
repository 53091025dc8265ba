#pragma once
// What a snapshot says of itself: its manifest (docs/formats/snapshot.md). Values; any thread.

#include <cstdint>
#include <filesystem>
#include <optional>
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
  Applied applied;     ///< at lsn 1 or behind it
  std::string layout;  ///< of the projectors that made it
  base::Digest content{};
  std::uint64_t bytes = 0;
  base::Timestamp taken;
  std::filesystem::path folder = {};  ///< where it is; not in its manifest

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

/// Of those who share a folder of snapshots: nobody else writes a manifest that they read. Absent: one process has the
/// folder.
using ManifestKey = std::optional<base::Digest>;

[[nodiscard]] std::string to_text(const Snapshot& snapshot, const ManifestKey& key = {});
/// Error: corrupt, with the line.
[[nodiscard]] base::Result<Snapshot> parse_snapshot(std::string_view text, const ManifestKey& key = {});

/// The files in the folder of a snapshot.
inline constexpr const char* manifest_name = "manifest";
inline constexpr const char* content_name = "data.mdb";

struct UnreadableSnapshot {
  record::Lsn lsn;
  std::filesystem::path folder;
  std::string why;  ///< with the file
};

struct Manifests {
  std::vector<Snapshot> snapshots;  ///< by lsn, the greatest first; of one lsn that which was taken last
  std::vector<UnreadableSnapshot> unreadable;
};

/// Of the snapshots of a shard, in a folder of snapshots.
[[nodiscard]] std::filesystem::path shard_folder(const std::filesystem::path& folder, record::ShardId shard);
/// The name of a snapshot's folder there; `unique` has hexadecimal digits.
[[nodiscard]] std::string snapshot_name(record::Lsn lsn, std::string_view unique);
/// Of a shard, in a folder of snapshots. Error: unavailable.
[[nodiscard]] base::Result<Manifests> read_manifests(const std::filesystem::path& folder, record::ShardId shard,
                                                     const ManifestKey& key = {});

}  // namespace trv::projection
