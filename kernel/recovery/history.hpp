#pragma once
// What a target holds: its segments, held against their signatures and against each other.

#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "kernel/recovery/target.hpp"

namespace trv::recovery {

/// Called now and then with what is at hand and how much of it is done; the total is 0 where it is not known.
using Progress = std::function<void(std::string_view what, std::uint64_t done, std::uint64_t total)>;

/// The segments of a target, from the first.
struct History {
  std::vector<Segment> segments;
  base::Digest last_manifest{};  ///< SHA-256 of the last one; zeros where there is none

  [[nodiscard]] const Segment* last() const noexcept { return segments.empty() ? nullptr : &segments.back(); }
  /// Precondition: it is there.
  [[nodiscard]] const Segment& at(std::uint64_t number) const { return segments.at(number - 1); }
};

/// Reads every manifest. `trusted`: the key that must have signed them all; absent: the one that the first names.
/// Errors: corrupt, with the place of the manifest that is missing, damaged or does not follow the one before; those of
/// the target.
[[nodiscard]] base::Result<History> read_history(Target& target, const std::optional<note::VerifierKey>& trusted);
/// The same, going on behind what is known of the target. Where it is another target by now, from the beginning.
[[nodiscard]] base::Status read_on(Target& target, const std::optional<note::VerifierKey>& trusted, History& history);

/// What a segment adds. Errors: corrupt, with the place; those of the target.
[[nodiscard]] base::Result<Contents> contents_of(Target& target, const Segment& segment);

/// The files beside the log as of a segment: of each path the newest entry from the base on.
using Files = std::map<std::string, FileEntry, std::less<>>;

}  // namespace trv::recovery
