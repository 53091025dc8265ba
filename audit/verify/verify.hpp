#pragma once
// Checking a trail without the system that made it: only an export folder, or one proof file, and a verifier key.
//
// Reads files; keeps no more than one bundle and one tile per level in memory. Any thread. Everything that is read may
// come from an enemy: sizes are bounded, and numbers in a file lead to no work that other files do not back.

#include <filesystem>
#include <optional>
#include <span>
#include <string_view>

#include "audit/note/checkpoint.hpp"
#include "audit/verify/report.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace trv::verify {

/// Recomputes every tile and the root from the entries, first to last; checks each entry's form, tenant and order, the
/// signature of the checkpoint and each proof file in `proofs/`. Without a trusted key the folder's own key.pub is
/// used, and the report says so. What is wrong with the export is in the report. Error: not_found where the folder does
/// not exist.
[[nodiscard]] base::Result<Report> verify_folder(const std::filesystem::path& folder,
                                                 const std::optional<note::VerifierKey>& trusted);

/// verify_folder, and that the export has the tree of `old_checkpoint` as its beginning: a signed note that was kept
/// from earlier, checked with the same key. The old root is recomputed from the export's entries. An old checkpoint
/// that is not one of this trail is a problem in the report.
[[nodiscard]] base::Result<Report> verify_growth(std::string_view old_checkpoint, const std::filesystem::path& folder,
                                                 const std::optional<note::VerifierKey>& trusted);

struct ProvenEntry {
  std::uint64_t index = 0;
  note::Checkpoint checkpoint;
};

/// That the entry is in the log of `key`, at the index and in the tree that the proof file names, and is an entry of
/// that log's tenant. Error: unauthenticated where a signature or hash does not fit; invalid or too_large where it is
/// not a proof file or not an entry.
[[nodiscard]] base::Result<ProvenEntry> verify_proof_file(std::string_view proof, base::BytesView entry,
                                                          const note::VerifierKey& key);

}  // namespace trv::verify
