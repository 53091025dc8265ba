#pragma once
// Where an instance's records are in the log: runs of consecutive positions. Pure; any thread.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "events/record/position.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace trv::instance {

struct Run {
  std::uint64_t first = 0;  ///< a place in the tenant's history; see record/stays.hpp
  std::uint64_t count = 0;  ///< at least 1

  friend bool operator==(const Run&, const Run&) = default;
};

/// `lsn` is greater than every position in `runs`.
void add_position(std::vector<Run>& runs, record::Lsn lsn);

/// As base-128 numbers: for each run its distance from the end of the one before, and its length.
[[nodiscard]] std::string encode(std::span<const Run> runs);
/// Error: corrupt.
[[nodiscard]] base::Result<std::vector<Run>> decode_runs(base::BytesView bytes);

}  // namespace trv::instance
