#pragma once
// One random history: commands of several tenants through real shards, on one log that fails on request.
//
// Faults: the log's (in_memory_event_log.hpp): a rival takes the shard, an append fails with nothing written, a batch
// is torn anywhere; a projection that cannot be committed; outcomes that cannot be recorded; clocks that are set ahead
// and back; and restarts of a shard. What is checked: replay_equals_live and its siblings in `failures`.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events/projection/projector.hpp"
#include "tests/support/simulation/bug.hpp"

namespace trv::simulation {

struct HistoryOptions {
  std::uint64_t seed = 1;
  std::filesystem::path folder;  ///< emptied at the start
  int steps = 60;
  bool faults = true;
  std::uint32_t shards = 1;  ///< tenants are dealt to them in turn
  /// Every third batch is torn after so many records; nullopt: as the dice say.
  std::optional<std::size_t> tear_at = std::nullopt;
  Bug bug = Bug::none;
  /// A projector to apply after the kernel's, made anew for each projection; empty: none.
  std::function<std::unique_ptr<projection::Projector>()> extra = {};
};

struct History {
  std::string hash;  ///< of every record: equal hashes are equal histories
  std::uint64_t records = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t refused = 0;
  std::uint64_t lost = 0;  ///< commands of unknown fate
  std::uint64_t claims = 0;
  std::uint64_t instances = 0;
  std::uint64_t effects = 0;
  std::uint64_t torn = 0;  ///< decisions that the log holds only in part, and that never happened
  std::uint64_t checks = 0;
  std::uint64_t not_recorded = 0;  ///< outcomes that were offered and not recorded
  std::uint64_t clock_set_back = 0;
  std::uint64_t instances_forgotten = 0;
  std::uint64_t events_forgotten = 0;
  std::map<std::string, std::uint64_t> records_of;  ///< by type
  std::map<std::string, std::uint64_t> tasks_of;    ///< that ended, and calls that began, by what they are
  std::vector<std::string> failures;                ///< the first of them, each once; empty: every property held

  void fail(std::string what) {
    const bool is_known = std::find(failures.begin(), failures.end(), what) != failures.end();
    if (!is_known && failures.size() < 20) failures.push_back(std::move(what));
  }
};

/// With one shard the same options give the same history; with several, not every time. One thread, and the shards'.
[[nodiscard]] History run_history(const HistoryOptions& options);

}  // namespace trv::simulation
