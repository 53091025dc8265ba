#pragma once
// Takes a segment: what came since the last one, or everything where there is none.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "audit/note/key.hpp"
#include "events/log/event_log.hpp"
#include "kernel/recovery/history.hpp"
#include "sdk/base/clock.hpp"

namespace trv::recovery {

/// What is backed up; it may be in use. All of it outlives the call.
struct Source {
  std::filesystem::path data;    ///< the folder that travd has locked
  std::filesystem::path beside;  ///< of keys, secrets, packages and blobs
  log::EventLog& log;
  std::uint64_t shards = 1;
  const note::SigningKey& key;
  const base::Clock& clock;
};

enum class Begin {
  follow,              ///< goes on where the target ends; a base where it is empty
  new_base,            ///< recovery of this segment and those behind it needs none before it
  base_where_trimmed,  ///< follows, or begins anew where records were trimmed that the target lacks; says so
};

/// What is known of the target from the call before: none of it is read again.
struct Known {
  History history;
  Files files;                                       ///< as of the last segment
  std::uint64_t read = 0;                            ///< the segment up to which `files` is right; 0: none
  std::map<ShardId, log::EnginePosition> positions;  ///< of the last records that were read
};

struct Taken {
  Segment segment;                    ///< the one that was added, or the last one
  bool is_added = false;              ///< false: nothing had come since the last one
  base::Timestamp cut;                ///< everything up to this time can be recovered
  std::vector<std::string> problems;  ///< what was left out, for people
};

/// Adds one segment. Records first, then the files that they name, then the manifest: a process that ends meanwhile
/// leaves the target as it was. `states` were taken before this call. One thread. Errors: conflict (another backup of
/// the data folder, or into the target, is under way; the target is of another installation, of another history of this
/// one, or lacks records that were trimmed meanwhile; the message says what to do); corrupt (the log or the target);
/// unavailable, exhausted.
[[nodiscard]] base::Result<Taken> take_segment(const Source& source, Target& target, Begin begin,
                                               std::vector<StateDigest> states, Known& known,
                                               const Progress& progress = {});

}  // namespace trv::recovery
