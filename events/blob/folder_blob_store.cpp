#include "events/blob/folder_blob_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <span>
#include <system_error>
#include <utility>

#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/file_age.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::blob {
namespace {

using base::Digest;
using base::ErrorCode;
namespace fs = std::filesystem;

constexpr const char* unfinished_name = ".unfinished";
constexpr std::size_t prefix_digits = 2;
constexpr std::size_t piece_bytes = 262'144;
constexpr std::size_t seen_max = 1'024;

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

std::optional<Digest> digest_of(std::string_view name) {
  const std::optional<base::Bytes> bytes = base::from_hex(name);
  Digest digest{};
  if (!bytes || bytes->size() != digest.size() || base::to_hex(*bytes) != name) return std::nullopt;
  std::ranges::copy(*bytes, digest.begin());
  return digest;
}

// All of `bytes`, of a file that has them.
base::Status read_at(const base::OpenFile& file, const fs::path& path, std::uint64_t offset,
                     std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pread(file.number(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return base::fail(disk_error("read", path, {count < 0 ? errno : EIO, std::generic_category()}));
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

// Without holding more than a piece of it.
base::Result<bool> has_digest(const base::OpenFile& file, const fs::path& path, const Digest& digest,
                              std::size_t bytes_max) {
  struct stat about{};
  if (::fstat(file.number(), &about) != 0) {
    return base::fail(disk_error("stat", path, {errno, std::generic_category()}));
  }
  const auto size = static_cast<std::uint64_t>(about.st_size);
  if (size > bytes_max) return false;
  base::Bytes piece;
  base::Sha256 hash;
  for (std::uint64_t at = 0; at < size; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece_bytes, size - at));
    TRV_TRY(read_at(file, path, at, piece));
    hash.add(piece);
  }
  return hash.digest() == digest;
}

// What is not there needs none of the three.
base::Status done(int result, std::string_view doing, const fs::path& path) {
  if (result == 0 || errno == ENOENT) return {};
  return base::fail(disk_error(doing, path, {errno, std::generic_category()}));
}

base::Status move_file(const fs::path& from, const fs::path& to) {
  return done(::rename(from.c_str(), to.c_str()), "rename", from);
}

base::Status remove_file(const fs::path& path) {
  return done(::unlink(path.c_str()), "remove", path);
}

// What is at `to` by now is younger, and stays.
base::Status put_back(const fs::path& from, const fs::path& to) {
  if (::link(from.c_str(), to.c_str()) != 0 && errno != EEXIST) return done(-1, "rename", from);
  return remove_file(from);
}

}  // namespace

base::Result<std::unique_ptr<FolderBlobStore>> FolderBlobStore::open(const fs::path& folder, FolderBlobs blobs,
                                                                     const base::Clock& clock, base::Random& random) {
  TRV_EXPECTS(blobs.bytes_max > 0 && blobs.stays_for >= base::Duration(0));
  std::error_code error;
  const fs::path whole = fs::absolute(folder, error).lexically_normal();
  if (!error) fs::create_directories(whole.parent_path(), error);
  if (error) return base::fail(disk_error("make folder", folder, error));
  TRV_TRY(make_folder(whole));
  TRV_TRY(make_folder(whole / unfinished_name));
  std::unique_ptr<FolderBlobStore> store(new FolderBlobStore(whole, std::move(blobs), clock, random));
  TRV_TRY(store->remove_unfinished());
  return store;
}

FolderBlobStore::FolderBlobStore(fs::path folder, FolderBlobs blobs, const base::Clock& clock, base::Random& random)
    : folder_(std::move(folder)), blobs_(std::move(blobs)), clock_(clock), random_(random) {}

base::Error FolderBlobStore::too_large(std::uint64_t bytes) const {
  return {ErrorCode::too_large,
          fmt::format("a blob of {} bytes was given, at most {} are taken", bytes, blobs_.bytes_max)};
}

fs::path FolderBlobStore::path_of(const Digest& digest) const {
  const std::string name = base::to_hex(digest);
  return folder_ / name.substr(0, prefix_digits) / name.substr(prefix_digits);
}

base::Status FolderBlobStore::has_room(std::uint64_t bytes) const {
  return blobs_.has_room ? blobs_.has_room(bytes) : base::Status();
}

fs::path FolderBlobStore::new_unfinished() {
  std::array<std::uint8_t, 16> unique{};
  random_.fill(unique);
  return folder_ / unfinished_name / base::to_hex(unique);
}

base::Result<bool> FolderBlobStore::renew(const Digest& digest) {
  const fs::path path = path_of(digest);
  const base::OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.is_open()) {
    if (errno == ENOENT) return false;
    return base::fail(disk_error("open", path, {errno, std::generic_category()}));
  }
  TRV_TRY_ASSIGN(const bool is_whole, has_digest(file, path, digest, blobs_.bytes_max));
  if (!is_whole) return false;
  // Unless another process has removed it meanwhile.
  const int touched = ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
  // A removal may take the file away between its name being found and its time being set: then it is written anew.
  const int number = touched == 0 && ::access(path.c_str(), F_OK) == 0 ? 0 : errno;
  if (number == ENOENT) return false;
  if (number != 0) return base::fail(disk_error("touch", path, {number, std::generic_category()}));
  // An earlier process may have ended between the rename and the sync of the folder.
  TRV_TRY(base::sync_folder(path.parent_path()));
  return true;
}

base::Result<Digest> FolderBlobStore::put(base::BytesView bytes) {
  if (bytes.size() > blobs_.bytes_max) return base::fail(too_large(bytes.size()));
  const Digest digest = base::sha256(bytes);
  const std::shared_lock lock(removal_);
  TRV_TRY_ASSIGN(const bool is_stored, renew(digest));
  if (is_stored) return digest;
  TRV_TRY(has_room(bytes.size()));
  const fs::path path = path_of(digest);
  TRV_TRY(make_folder(path.parent_path()));
  const fs::path unfinished = fs::path("..") / unfinished_name / new_unfinished().filename();
  if (base::Status written = base::write_file(path, unfinished.string(), bytes, 0400); !written) {
    return base::fail(ErrorCode::unavailable, written.error().message());
  }
  return digest;
}

// ---- in parts

class FolderBlobStore::Writer final : public BlobWriter {
 public:
  Writer(FolderBlobStore& store, fs::path path, base::OpenFile file)
      : store_(store), path_(std::move(path)), file_(std::move(file)) {}
  ~Writer() override {
    if (file_.is_open()) ::unlink(path_.c_str());
  }

  base::Status add(base::BytesView part) override {
    TRV_EXPECTS(file_.is_open());
    if (byte_count_ + part.size() > store_.blobs_.bytes_max) {
      return base::fail(store_.too_large(byte_count_ + part.size()));
    }
    TRV_TRY(store_.has_room(part.size()));
    for (base::BytesView rest = part; !rest.empty();) {
      const ssize_t written = ::write(file_.number(), rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return failed("write", written < 0 ? errno : EIO);
      rest = rest.subspan(static_cast<std::size_t>(written));
    }
    hash_.add(part);
    byte_count_ += part.size();
    return {};
  }

  base::Result<Digest> finish() override {
    TRV_EXPECTS(file_.is_open());
    const Digest digest = hash_.digest();
    const std::shared_lock lock(store_.removal_);
    TRV_TRY_ASSIGN(const bool is_stored, store_.renew(digest));
    if (is_stored) return digest;  // what was written goes with this
    // As young as one that is put whole: its last part may have come long ago.
    if (::futimens(file_.number(), nullptr) != 0) return failed("touch", errno);
    if (::fsync(file_.number()) != 0) return failed("sync", errno);
    const fs::path place = store_.path_of(digest);
    TRV_TRY(make_folder(place.parent_path()));
    if (::rename(path_.c_str(), place.c_str()) != 0) return failed("rename", errno);
    file_.close();
    TRV_TRY(base::sync_folder(place.parent_path()));
    return digest;
  }

  Digest digest() const override { return hash_.digest(); }
  std::uint64_t byte_count() const noexcept override { return byte_count_; }

 private:
  [[nodiscard]] std::unexpected<base::Error> failed(std::string_view doing, int number) const {
    return base::fail(disk_error(doing, path_, {number, std::generic_category()}));
  }

  FolderBlobStore& store_;
  const fs::path path_;
  base::OpenFile file_;  ///< open until the blob is in its place
  base::Sha256 hash_;
  std::uint64_t byte_count_ = 0;
};

base::Result<std::unique_ptr<BlobWriter>> FolderBlobStore::begin() {
  TRV_TRY(has_room(0));
  fs::path path = new_unfinished();
  base::OpenFile file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400));
  if (!file.is_open()) return base::fail(disk_error("create", path, {errno, std::generic_category()}));
  return std::make_unique<Writer>(*this, std::move(path), std::move(file));
}

base::Result<base::Bytes> FolderBlobStore::read(const Digest& digest, std::uint64_t offset, std::size_t length) {
  const fs::path path = path_of(digest);
  const base::OpenFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  const int number = errno;
  if (!file.is_open() && number == ENOENT) return base::fail(not_stored(digest));
  if (!file.is_open()) return base::fail(disk_error("open", path, {number, std::generic_category()}));
  struct stat about{};
  if (::fstat(file.number(), &about) != 0) {
    return base::fail(disk_error("stat", path, {errno, std::generic_category()}));
  }
  const Seen now{.inode = about.st_ino,
                 .size = about.st_size,
                 .changed_ns = about.st_ctim.tv_sec * std::int64_t{1'000'000'000} + about.st_ctim.tv_nsec};
  bool is_known = false;
  {
    const std::lock_guard lock(seen_lock_);
    const auto found = seen_.find(digest);
    is_known = found != seen_.end() && found->second == now;
  }
  if (!is_known) {
    TRV_TRY_ASSIGN(const bool is_whole, has_digest(file, path, digest, blobs_.bytes_max));
    if (!is_whole) return base::fail(damaged(path));
    const std::lock_guard lock(seen_lock_);
    if (seen_.size() >= seen_max) seen_.clear();
    seen_.insert_or_assign(digest, now);
  }
  base::Bytes bytes;
  if (offset >= static_cast<std::uint64_t>(now.size)) return bytes;
  bytes.resize(std::min<std::uint64_t>(length, static_cast<std::uint64_t>(now.size) - offset));
  TRV_TRY(read_at(file, path, offset, bytes));
  return bytes;
}

base::Result<base::Bytes> FolderBlobStore::get(const Digest& digest) {
  const fs::path path = path_of(digest);
  base::Result<base::Bytes> bytes = base::read_file(path, blobs_.bytes_max);
  if (!bytes && bytes.error().code() == ErrorCode::not_found) return base::fail(not_stored(digest));
  const bool is_too_large = !bytes && bytes.error().code() == ErrorCode::too_large;
  if (is_too_large || (bytes && base::sha256(*bytes) != digest)) return base::fail(damaged(path));
  return bytes;
}

fs::path FolderBlobStore::aside(const Digest& digest) const {
  return folder_ / unfinished_name / base::to_hex(digest);
}

base::Result<bool> FolderBlobStore::may_go(const fs::path& path) const {
  if (blobs_.stays_for == base::Duration(0)) return true;
  return base::is_older(path, clock_.now(), blobs_.stays_for);
}

// Renamed first, and looked at again: from then on a put of another process does not find it, and the age says whether
// one had found it before.
base::Status FolderBlobStore::remove(const Digest& digest) {
  const std::unique_lock lock(removal_);
  const fs::path path = path_of(digest);
  TRV_TRY_ASSIGN(const bool is_old, is_older(path, clock_.now(), blobs_.stays_for));
  if (!is_old) return {};
  TRV_TRY(move_file(path, aside(digest)));
  return finish_removal(digest);
}

base::Status FolderBlobStore::finish_removal(const Digest& digest) {
  const fs::path renamed = aside(digest);
  TRV_TRY_ASSIGN(const bool goes, may_go(renamed));
  const fs::path path = path_of(digest);
  TRV_TRY(goes ? remove_file(renamed) : put_back(renamed, path));
  return base::sync_folder(path.parent_path());
}

base::Status FolderBlobStore::remove_unfinished() {
  const std::unique_lock lock(removal_);
  std::error_code error;
  fs::directory_iterator files(folder_ / unfinished_name, error);
  for (; !error && files != fs::directory_iterator(); files.increment(error)) {
    if (const auto removed = digest_of(files->path().filename().string())) {
      TRV_TRY(finish_removal(*removed));
      continue;
    }
    TRV_TRY_ASSIGN(const bool goes, may_go(files->path()));
    if (goes) TRV_TRY(remove_file(files->path()));
  }
  if (error) return base::fail(disk_error("read folder", folder_ / unfinished_name, error));
  return {};
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
      const std::optional<Digest> digest = digest_of(name + files->path().filename().string());
      if (digest && (!after || *digest > *after)) found.push_back(*digest);
    }
    if (error) return base::fail(disk_error("read folder", folder_ / name, error));
    std::sort(found.begin() + end, found.end());
  }
  if (found.size() > count) found.resize(count);
  TRV_ENSURES(std::ranges::is_sorted(found));
  return found;
}

}  // namespace trv::blob
