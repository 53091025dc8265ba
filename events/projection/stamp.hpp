#pragma once
// The file beside a projection that says whether it can be trusted. It is outside of the environment, because after
// a crash of the machine the environment itself must not even be opened.

#include <filesystem>
#include <optional>
#include <string>

#include "sdk/base/result.hpp"

namespace trv::projection {

struct Stamp {
  std::string layout;   ///< shard, projectors and their versions
  std::string boot_id;  ///< the start of the machine in which it was last opened
  bool clean = false;   ///< closed, and on the disk

  friend bool operator==(const Stamp&, const Stamp&) = default;
};

/// Replaces `<folder>/stamp`, durable on return: in one step, or in place where the disk has no room for a second file.
/// Error: unavailable.
[[nodiscard]] base::Status write_stamp(const std::filesystem::path& folder, const Stamp& stamp);
/// nullopt where this version can read none.
[[nodiscard]] std::optional<Stamp> read_stamp(const std::filesystem::path& folder);

}  // namespace trv::projection
