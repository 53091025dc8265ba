#pragma once
// The files beside the log, as a segment takes them. Private to taking a segment.

#include <filesystem>
#include <string>
#include <vector>

#include "kernel/recovery/history.hpp"

namespace trv::recovery {

/// Of one shard, which snapshots belong into a base whose log begins behind record 1.
struct SnapshotRange {
  ShardId shard;
  Lsn least;     ///< the one before the first record of the log
  Lsn greatest;  ///< the last record of the segment
};

struct FoundFiles {
  std::vector<FileEntry> files;       ///< those that `known` does not have like that
  std::uint64_t bytes = 0;            ///< of the objects that were put
  std::vector<std::string> problems;  ///< blobs whose bytes are damaged: they are left out
};

/// Puts every file of the folder that the target lacks. Left out is what comes back by itself or belongs to one
/// process, and snapshots but for those asked for. A file that goes meanwhile is passed over. Errors: those of the
/// target; unavailable, names the file; invalid for a name with a line end.
[[nodiscard]] base::Result<FoundFiles> put_files(const std::filesystem::path& beside,
                                                 const std::vector<SnapshotRange>& snapshots, const Files& known,
                                                 Target& target, const Progress& progress);

}  // namespace trv::recovery
