#pragma once
// How old files are: by that, what a process left behind differs from what another one is about to use.

#include <filesystem>

#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::base {

/// After this time nobody goes on with a file: a record names it, or nobody will. The clocks of machines that share a
/// folder agree within half of it.
inline constexpr Duration left_over_after = std::chrono::hours(24);

/// Whether a file or folder was last written, or touched, `age` before `now` or earlier. False where it is not there.
/// Error: unavailable, names it.
[[nodiscard]] Result<bool> is_older(const std::filesystem::path& path, Timestamp now, Duration age = left_over_after);

}  // namespace trv::base
