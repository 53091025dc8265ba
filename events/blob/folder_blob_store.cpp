#include "events/blob/folder_blob_store.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"

namespace trv::blob {
namespace {

using base::Digest;
using base::ErrorCode;
namespace fs = std::filesystem;

constexpr const char* unfinished_name = ".unfinished";
constexpr std::size_t prefix_digits = 2;
constexpr std::size_t page = 500;

base::Error disk_error(std::string_view doing, const fs::path& path, const std::error_code& error) {
  return {ErrorCode::unavailable, fmt::format("cannot {} '{}': {}", doing, path.string(), error.message())};
}

base::Error not_stored(const Digest& digest) {
  return {ErrorCode::not_found, fmt::format("blob {} is not stored", base::to_hex(digest))};
}

base::Error damaged(const fs::path& path) {
  return {ErrorCode::corrupt, fmt::format("'{}' is damaged: its bytes do not have the SHA-256 of its name; restore the "
                                          "file from a backup",
                                          path.string())};
}

// Makes a folder whose parent is there; its name is durable on return.
base::Status make_folder(const fs::path& folder) {
  if (::mkdir(folder.c_str(), 0700) == 0) return base::sync_folder(folder.parent_path());
  if (errno == EEXIST) return {};
  return base::fail(disk_error("make folder", folder, {errno, std::generic_category()}));
}

std::optional<Digest> digest_of(std::string_view prefix, std::string_view rest) {
  const std::string name = std::string(prefix).append(rest);
  const std::optional<base::Bytes> bytes = base::from_hex(name);
  Digest digest{};
  if (prefix.size() != prefix_digits || !bytes || bytes->size() != digest.size() || base::to_hex(*bytes) != name)
    return std::nullopt;
  std::ranges::copy(*bytes, digest.begin());
  return digest;
}

}  // namespace

base::Result<std::unique_ptr<FolderBlobStore>> FolderBlobStore::open(const fs::path& folder, std::size_t bytes_max,
                                                                     base::Random& random, HasRoom has_room) {
  TRV_EXPECTS(bytes_max > 0);
  std::error_code error;
  const fs::path whole = fs::absolute(folder, error).lexically_normal();
  if (!error) fs::create_directories(whole.parent_path(), error);
  if (error) return base::fail(disk_error("make folder", folder, error));
  TRV_TRY(make_folder(whole));
  fs::remove_all(whole / unfinished_name, error);
  if (error) return base::fail(disk_error("remove", whole / unfinished_name, error));
  TRV_TRY(make_folder(whole / unfinished_name));
  return std::unique_ptr<FolderBlobStore>(new FolderBlobStore(whole, bytes_max, random, std::move(has_room)));
}

FolderBlobStore::FolderBlobStore(fs::path folder, std::size_t bytes_max, base::Random& random, HasRoom has_room)
    : folder_(std::move(folder)), bytes_max_(bytes_max), random_(random), has_room_(std::move(has_room)) {}

base::Error FolderBlobStore::too_large(std::uint64_t bytes) const {
  return {ErrorCode::too_large, fmt::format("a blob of {} bytes was given, at most {} are taken", bytes, bytes_max_)};
}

fs::path FolderBlobStore::path_of(const Digest& digest) const {
  const std::string name = base::to_hex(digest);
  return folder_ / name.substr(0, prefix_digits) / name.substr(prefix_digits);
}

base::Result<Digest> FolderBlobStore::put(base::BytesView bytes) {
  if (bytes.size() > bytes_max_) return base::fail(too_large(bytes.size()));
  const Digest digest = base::sha256(bytes);
  const std::shared_lock lock(removal_);
  if (const std::scoped_lock noted(put_mutex_); put_) put_->insert(digest);
  const base::Result<base::Bytes> stored = get(digest);
  if (stored) {
    // An earlier process may have ended between the rename and the sync of the folder.
    TRV_TRY(base::sync_folder(path_of(digest).parent_path()));
    return digest;
  }
  if (stored.error().code() == ErrorCode::unavailable) return base::fail(stored.error());
  if (has_room_) TRV_TRY(has_room_(bytes.size()));
  const fs::path path = path_of(digest);
  TRV_TRY(make_folder(path.parent_path()));
  std::array<std::uint8_t, 16> unique{};
  random_.fill(unique);
  const fs::path unfinished = fs::path("..") / unfinished_name / base::to_hex(unique);
  if (base::Status written = base::write_file(path, unfinished.string(), bytes, 0400); !written) {
    return base::fail(ErrorCode::unavailable, written.error().message());
  }
  return digest;
}

base::Result<base::Bytes> FolderBlobStore::get(const Digest& digest) {
  const fs::path path = path_of(digest);
  base::Result<base::Bytes> bytes = base::read_file(path, bytes_max_);
  if (!bytes && bytes.error().code() == ErrorCode::not_found) return base::fail(not_stored(digest));
  const bool is_too_large = !bytes && bytes.error().code() == ErrorCode::too_large;
  if (is_too_large || (bytes && base::sha256(*bytes) != digest)) return base::fail(damaged(path));
  return bytes;
}

base::Status FolderBlobStore::remove(const Digest& digest) {
  const std::unique_lock lock(removal_);
  return unlink(digest);
}

base::Status FolderBlobStore::unlink(const Digest& digest) {
  const fs::path path = path_of(digest);
  if (::unlink(path.c_str()) == 0) return base::sync_folder(path.parent_path());
  if (errno == ENOENT) return {};
  return base::fail(disk_error("remove", path, {errno, std::generic_category()}));
}

base::Result<std::vector<Digest>> FolderBlobStore::list(const std::optional<Digest>& after, std::size_t count) {
  TRV_EXPECTS(count > 0);
  std::vector<Digest> found;
  for (unsigned prefix = after ? after->front() : 0; prefix < 256 && found.size() < count; ++prefix) {
    const std::string name = fmt::format("{:02x}", prefix);
    std::error_code error;
    fs::directory_iterator files(folder_ / name, error);
    if (error == std::errc::no_such_file_or_directory) continue;
    const auto end = static_cast<std::ptrdiff_t>(found.size());
    for (; !error && files != fs::directory_iterator(); files.increment(error)) {
      const std::optional<Digest> digest = digest_of(name, files->path().filename().string());
      if (digest && (!after || *digest > *after)) found.push_back(*digest);
    }
    if (error) return base::fail(disk_error("read folder", folder_ / name, error));
    std::sort(found.begin() + end, found.end());
  }
  if (found.size() > count) found.resize(count);
  TRV_ENSURES(std::ranges::is_sorted(found));
  return found;
}

base::Status FolderBlobStore::remove_left_over(const std::function<base::Result<bool>(const Digest&)>& is_named) {
  std::optional<Digest> after;
  for (bool more = true; more;) {
    TRV_TRY_ASSIGN(const std::vector<Digest> some, list(after, page));
    for (const Digest& digest : some) {
      TRV_TRY_ASSIGN(const bool stays, is_named(digest));
      if (stays) continue;
      const std::unique_lock lock(removal_);
      TRV_ASSERT(put_.has_value());
      if (!put_->contains(digest)) TRV_TRY(unlink(digest));
    }
    more = some.size() == page;
    if (more) after = some.back();
  }
  const std::scoped_lock noted(put_mutex_);
  put_.reset();
  return {};
}

}  // namespace trv::blob
