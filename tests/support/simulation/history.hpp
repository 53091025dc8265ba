#pragma once
// One random history: commands of several tenants through a real shard, on a log that fails on request.
//
// Faults: the log's (in_memory_event_log.hpp): a rival takes the shard, an append fails with nothing written, a batch
// is torn; and restarts of the shard. What is checked: replay_equals_live and its siblings in `failures`.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "events/projection/projector.hpp"

namespace trv::simulation {

/// A bug that a history must not let pass.
enum class Plant {
  none,
  effects_outlive_their_instance,  ///< cancelling an instance leaves its effects in the outbox
};

struct HistoryOptions {
  std::uint64_t seed = 1;
  std::filesystem::path folder;  ///< emptied at the start
  int steps = 60;
  bool faults = true;
  Plant plant = Plant::none;
  /// A projector to apply after the kernel's, made anew for each projection; empty: none.
  std::function<std::unique_ptr<projection::Projector>()> extra = {};
};

struct History {
  std::string hash;  ///< of every record: equal hashes are equal histories
  std::uint64_t records = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t refused = 0;
  std::uint64_t lost = 0;  ///< commands whose fate was not reported
  std::uint64_t claims = 0;
  std::uint64_t instances = 0;
  std::uint64_t effects = 0;
  std::uint64_t torn = 0;  ///< decisions that the log holds only in part, and that never happened
  std::uint64_t checks = 0;
  std::vector<std::string> failures;  ///< empty: every property held
};

/// The same options give the same history. One thread, and the shard's.
[[nodiscard]] History run_history(const HistoryOptions& options);

}  // namespace trv::simulation
