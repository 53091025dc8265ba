#pragma once
// Copies a tenant's audit trail from its tlog-tiles endpoints into the folder that audit/export describes. One thread.
//
// The checkpoint is fetched first and written last, so a folder without one is an interrupted copy. Full tiles never
// change: those that are there are not fetched again. Nothing is believed here: verify the folder afterwards.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "kernel/cli/commands/session.hpp"

namespace trv::cli {

struct ExportRequest {
  std::vector<std::string> proofs_of;  ///< lsns of entries, or positions of events
  bool all_proofs = false;
};

struct Exported {
  std::uint64_t size = 0;  ///< entries that the checkpoint covers
  std::uint64_t fetched = 0;
  std::uint64_t kept = 0;
  std::uint64_t proofs = 0;
};

/// Error: as Session::call; conflict where the folder holds another trail, internal where the disk fails, corrupt where
/// the checkpoint's signature does not fit.
[[nodiscard]] base::Result<Exported> mirror_trail(Session& session, const std::filesystem::path& folder,
                                                  const ExportRequest& request);

}  // namespace trv::cli
