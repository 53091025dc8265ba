#include "kernel/recovery/folder_target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "sdk/base/file.hpp"
#include "sdk/base/file_age.hpp"

namespace trv::recovery {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;
using std::filesystem::path;

constexpr std::string_view part_prefix = ".part-";
constexpr mode_t file_mode = 0600;
// So many are synced one by one; of more, all that the disk holds is synced once, which other writers feel.
constexpr std::size_t synced_alone_max = 64;

std::unexpected<base::Error> failed(std::string_view doing, const path& place, const std::error_code& error) {
  return fail(ErrorCode::unavailable, fmt::format("cannot {} {}: {}", doing, place.string(), error.message()));
}

path below_objects(const base::Digest& digest) {
  const std::string hex = base::to_hex(digest);
  return path("objects") / hex.substr(0, 2) / hex.substr(2);
}

path below_segments(std::uint64_t segment) {
  return path("segments") / fmt::format("{:010}", segment);
}

}  // namespace

FolderTarget::FolderTarget(path folder, base::Random& random)
    : folder_(std::move(folder)), name_(folder_.string()), random_(random) {}

std::string FolderTarget::place_of(const base::Digest& object) const {
  return (folder_ / below_objects(object)).string();
}

std::string FolderTarget::place_of(std::uint64_t segment) const {
  return (folder_ / below_segments(segment)).string();
}

Status FolderTarget::make_folder(const path& folder, bool is_synced) const {
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return {};
  const bool is_made = std::filesystem::create_directories(folder, error);
  if (error) return failed("make", folder, error);
  if (!is_made) return {};
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  if (error) return failed("set the mode of", folder, error);
  return is_synced ? base::sync_folder(folder.parent_path()) : Status();
}

std::string FolderTarget::new_part() {
  std::array<std::uint8_t, 16> bytes{};
  random_.fill(bytes);
  return fmt::format("../{}{}", part_prefix, base::to_hex(bytes));
}

Result<std::vector<std::uint64_t>> FolderTarget::segments() {
  std::vector<std::uint64_t> numbers;
  std::error_code error;
  std::filesystem::directory_iterator at(folder_ / "segments", error);
  if (error == std::errc::no_such_file_or_directory) return numbers;
  for (const std::filesystem::directory_iterator end; !error && at != end; at.increment(error)) {
    const std::string text = at->path().filename().string();
    std::uint64_t number = 0;
    const auto [last, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (bad == std::errc() && last == text.data() + text.size() && number > 0) numbers.push_back(number);
  }
  if (error) return failed("read", folder_ / "segments", error);
  std::ranges::sort(numbers);
  return numbers;
}

Result<base::Bytes> FolderTarget::manifest(std::uint64_t segment) {
  return base::read_file(folder_ / below_segments(segment), manifest_bytes_max);
}

Result<bool> FolderTarget::add_manifest(std::uint64_t segment, base::BytesView bytes) {
  const path file = folder_ / below_segments(segment);
  TRV_TRY(make_folder(file.parent_path(), true));
  if (std::exchange(is_unsynced_, false)) TRV_TRY(base::sync_file_system(folder_));
  puts_ = 0;
  return base::create_file(file, new_part(), bytes, file_mode);
}

Result<base::Bytes> FolderTarget::get(const Object& object) {
  return base::read_file(folder_ / below_objects(object.sha256), object.bytes);
}

Result<bool> FolderTarget::put(const Object& object, base::BytesView bytes) {
  const path file = folder_ / below_objects(object.sha256);
  // A machine that went down may have left a file without its bytes.
  const bool is_there = [&] {
    const auto there = get(object);
    return there && object_of(*there) == object;
  }();
  const bool is_synced_alone = ++puts_ <= synced_alone_max;
  if (!is_synced_alone) is_unsynced_ = true;
  if (is_there) {
    if (is_synced_alone) TRV_TRY(base::sync_file(file));
    return false;
  }
  TRV_TRY(make_folder(file.parent_path(), is_synced_alone));
  TRV_TRY(base::write_file(file, new_part(), bytes, file_mode, is_synced_alone ? base::Sync::now : base::Sync::later));
  return true;
}

Status FolderTarget::remove_left_over(const base::Clock& clock) {
  for (const path& folder : {folder_ / "objects", folder_}) {
    std::error_code error;
    std::filesystem::directory_iterator at(folder, error);
    if (error) continue;
    for (const std::filesystem::directory_iterator end; !error && at != end; at.increment(error)) {
      if (!at->path().filename().string().starts_with(part_prefix)) continue;
      TRV_TRY_ASSIGN(const bool is_old, base::is_older(at->path(), clock.now()));
      std::error_code ignored;
      if (is_old) std::filesystem::remove(at->path(), ignored);
    }
  }
  return {};
}

}  // namespace trv::recovery
