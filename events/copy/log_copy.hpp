#pragma once
// Copies of a shard's log into another log, of whatever engine: the same records byte for byte, so that lsns, hash
// chain and audit proofs stay as they are. What is void is left behind.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "events/log/event_log.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"

namespace trv::copy {

struct Copied {
  std::uint64_t records = 0;  ///< that the copy has
  std::uint64_t found = 0;    ///< of them, there from a copy that was cut off
  std::uint64_t bytes = 0;    ///< of what was copied now
  base::Digest last_hash{};   ///< of the last record; zeros where there is none
};

/// Called now and then: `done` of `total` records are copied, or, where `checking`, read again from the copy.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total, bool checking)>;

/// Makes `to` have the records of `from`. The chain is verified on the way, and once more over the whole copy, whose
/// end is compared. `from` is claimed before and after: its former owner has lost it, and what was appended meanwhile
/// is noticed. A copy that was cut off goes on where it ended. One thread; the logs may be used by nothing else.
/// Errors: conflict (`from` begins behind lsn 1; `to` holds other records; a process took one of them meanwhile);
/// corrupt, naming shard and lsn; what the logs report.
[[nodiscard]] base::Result<Copied> copy_shard(log::EventLog& from, log::EventLog& to, log::ShardId shard,
                                              base::Random& random, const Progress& progress = {});

/// `<data folder>/copy.unfinished` names the log that is the part of a copy: a daemon does not start on the folder.
/// Errors: unavailable, with the path.
[[nodiscard]] base::Status begin_copy(const std::filesystem::path& data_folder, std::string_view to);
[[nodiscard]] base::Status end_copy(const std::filesystem::path& data_folder);
/// What begin_copy() named, where end_copy() did not follow; else empty.
[[nodiscard]] base::Result<std::string> unfinished_copy(const std::filesystem::path& data_folder);

}  // namespace trv::copy
