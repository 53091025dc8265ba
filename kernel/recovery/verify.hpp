#pragma once
// Whether a target is whole: every byte of every segment.

#include "kernel/recovery/history.hpp"

namespace trv::recovery {

struct Verified {
  History history;
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  std::uint64_t files = 0;  ///< named by the segments from the last base on
};

/// Reads everything that any segment names once, and holds it against the signed manifests; the records also against
/// their hash chain. Whether the last segments were taken away cannot be seen: compare the time of the last one.
/// Errors: corrupt, with the place, for the first thing that is missing or changed; not_found where the target holds no
/// backup; those of the target.
[[nodiscard]] base::Result<Verified> verify(Target& target, const std::optional<note::VerifierKey>& trusted,
                                            const Progress& progress = {});

}  // namespace trv::recovery
