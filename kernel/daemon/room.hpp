#pragma once
// Whether there is room for more: in the maps of log and projection, and on the disk. A reserve is left to commands
// that withdraw or end something. Any thread.

#include <spdlog/fwd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "events/lmdb/env.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/result.hpp"

namespace trv::daemon {

/// Whether the disk of `folder` has room for so many bytes more besides the reserve; also where the file system does
/// not say. `was_full`: half as much again has to be left as where it was not, so that it does not go to and fro. Any
/// thread. Error: unavailable, with what to do; without a path.
[[nodiscard]] base::Status disk_has_room(const std::filesystem::path& folder, std::uint64_t bytes = 0,
                                         bool was_full = false);

class Room {
 public:
  /// Something with a map that `data.map_gib` limits.
  struct Store {
    std::string name;  ///< "log"
    std::function<base::Result<lmdb::EnvStats>()> stats;
  };

  /// `clock` must outlive it.
  Room(std::filesystem::path data_folder, std::vector<Store> stores, const base::Clock& clock,
       std::shared_ptr<spdlog::logger> logger);

  /// Asks the disk each time, the maps at most ten times a second: a disk is filled by others too, and a small one by a
  /// few batches. Error: unavailable, with what is full and what to do; without a path. The log gets a line when room
  /// runs out and when it is back.
  [[nodiscard]] base::Status check();

 private:
  [[nodiscard]] base::Status measure_maps(bool was_full) const;

  const std::filesystem::path data_folder_;
  const std::vector<Store> stores_;
  const base::Clock& clock_;
  const std::shared_ptr<spdlog::logger> logger_;
  std::mutex mutex_;
  base::Duration maps_measured_ = base::Duration::min();
  base::Status maps_;
  base::Status room_;
};

}  // namespace trv::daemon
