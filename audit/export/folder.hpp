#pragma once
// The export: a folder with which an outsider can check a trail. Its files are described in docs/formats/audit.md.

#include <filesystem>
#include <functional>
#include <span>

#include "audit/export/proof.hpp"
#include "audit/export/source.hpp"

namespace trv::exporting {

inline constexpr std::string_view checkpoint_file = "checkpoint";
inline constexpr std::string_view key_file = "key.pub";
inline constexpr std::string_view proofs_folder = "proofs";
inline constexpr std::string_view readme_file = "README.txt";

/// The proof of one entry against the source's checkpoint. Error: not_found unless the checkpoint covers the index.
[[nodiscard]] base::Result<Proof> make_proof(const TrailSource& source, std::uint64_t index);

struct ExportOptions {
  std::span<const std::uint64_t> proofs;  ///< indexes for which a proof file is written
  /// Called on the same thread, about once per 256 entries.
  std::function<void(std::uint64_t done, std::uint64_t total)> on_progress;
};

struct Exported {
  std::uint64_t size = 0;  ///< entries, as many as the checkpoint covers
  std::uint64_t files = 0;
  std::string root_hex;
};

/// Writes the export into a folder that is empty or does not exist (its parent must). Entries are checked against their
/// leaves and the tree against its checkpoint on the way, so damage is found here and not by the auditor. The
/// checkpoint is written last: a folder without one is an interrupted export. Nothing is synced. One thread.
/// Error: conflict where the folder has files, corrupt where the trail contradicts itself, unavailable where the file
/// system fails; the message names the file.
[[nodiscard]] base::Result<Exported> write_export(const std::filesystem::path& folder, const TrailSource& source,
                                                  const ExportOptions& options = {});

}  // namespace trv::exporting
