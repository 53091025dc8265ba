#include "kernel/daemon/room.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

namespace trv::daemon {
namespace {

using base::ErrorCode;

/// Free pages are counted in a map that is nearly full, which takes a while.
constexpr auto maps_interval = std::chrono::milliseconds(100);
constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr std::uint64_t map_reserve_max = 256 * mib;
constexpr std::uint64_t disk_reserve_max = 64 * mib;

/// More than the largest batch takes, so that one that is begun before the reserve ends in it.
std::uint64_t reserve_of(std::uint64_t share, std::uint64_t max, bool was_full) {
  const std::uint64_t reserve = std::min(share, max);
  return was_full ? reserve + reserve / 2 : reserve;
}

}  // namespace

base::Status disk_has_room(const std::filesystem::path& folder, std::uint64_t bytes, bool was_full) {
  std::error_code error;
  const std::filesystem::space_info disk = std::filesystem::space(folder, error);
  // A write that fails says what the file system does not.
  if (error || disk.available >= bytes + reserve_of(disk.capacity / 20, disk_reserve_max, was_full)) return {};
  return base::fail(ErrorCode::unavailable,
                    fmt::format("the disk of the data folder has {} MiB left; free some space on it. Requests that "
                                "delete or cancel are still taken",
                                disk.available / mib));
}

Room::Room(std::filesystem::path data_folder, std::vector<Store> stores, const base::Clock& clock,
           std::shared_ptr<spdlog::logger> logger)
    : data_folder_(std::move(data_folder)), stores_(std::move(stores)), clock_(clock), logger_(std::move(logger)) {}

base::Status Room::check() {
  const std::scoped_lock lock(mutex_);
  const base::Duration now = clock_.monotonic();
  if (maps_measured_ == base::Duration::min() || now - maps_measured_ >= maps_interval) {
    maps_measured_ = now;
    maps_ = measure_maps(!maps_.has_value());
  }
  const bool had_room = room_.has_value();
  room_ = maps_ ? disk_has_room(data_folder_, 0, !had_room) : maps_;
  if (had_room && !room_) logger_->error("{}: {}", data_folder_.string(), room_.error().message());
  if (!had_room && room_) logger_->info("{}: there is room again", data_folder_.string());
  return room_;
}

base::Status Room::measure_maps(bool was_full) const {
  for (const Store& store : stores_) {
    TRV_TRY_ASSIGN(const lmdb::EnvStats stats, store.stats());
    if (stats.used_bytes + reserve_of(stats.map_bytes / 16, map_reserve_max, was_full) < stats.map_bytes) continue;
    return base::fail(ErrorCode::unavailable,
                      fmt::format("the {} has used {} of the {} MiB that data.map_gib allows; raise data.map_gib and "
                                  "restart travd. Requests that delete or cancel are still taken",
                                  store.name, stats.used_bytes / mib, stats.map_bytes / mib));
  }
  return {};
}

}  // namespace trv::daemon
