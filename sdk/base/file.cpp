#include "sdk/base/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

namespace trv::base {
namespace {

Error disk_error(const char* doing, const std::filesystem::path& path, int number) {
  return {number == ENOENT ? ErrorCode::not_found : ErrorCode::unavailable,
          fmt::format("cannot {} '{}': {}", doing, path.string(), std::generic_category().message(number))};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }
  /// Closes now; 0 or the error number.
  int close() noexcept {
    const int result = ::close(fd_);
    fd_ = -1;
    return result == 0 ? 0 : errno;
  }

 private:
  int fd_;
};

Status sync_opened(const std::filesystem::path& path, int flags, int (*sync)(int)) {
  const Descriptor opened(::open(path.c_str(), flags | O_CLOEXEC));
  if (opened.get() < 0) return fail(disk_error("open", path, errno));
  if (sync(opened.get()) != 0) return fail(disk_error("sync", path, errno));
  return {};
}

Status write_new(const std::filesystem::path& path, BytesView bytes, mode_t mode, Sync sync) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (file.get() < 0) return fail(disk_error("create", path, errno));
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(disk_error("write", path, written < 0 ? errno : EIO));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  if (sync == Sync::now && ::fsync(file.get()) != 0) return fail(disk_error("sync", path, errno));
  if (const int number = file.close(); number != 0) return fail(disk_error("close", path, number));
  return {};
}

/// write_new in the place of what a crash left there.
Status write_aside(const std::filesystem::path& temporary, BytesView bytes, mode_t mode, Sync sync) {
  if (::unlink(temporary.c_str()) != 0 && errno != ENOENT) return fail(disk_error("remove", temporary, errno));
  Status written = write_new(temporary, bytes, mode, sync);
  if (!written) ::unlink(temporary.c_str());
  return written;
}

}  // namespace

Result<Bytes> read_file(const std::filesystem::path& path, std::size_t bytes_max) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file.get() < 0) return fail(disk_error("open", path, errno));
  struct stat about{};
  if (::fstat(file.get(), &about) != 0) return fail(disk_error("stat", path, errno));
  Bytes bytes;
  std::size_t size = 0;
  for (;;) {
    // One byte more than the file claims to have, so that the end is seen without growing.
    const std::size_t claimed = std::min(static_cast<std::size_t>(about.st_size), bytes_max) + 1;
    bytes.resize(size < claimed ? claimed : size + 4'096);
    const ssize_t count = ::read(file.get(), bytes.data() + size, bytes.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(disk_error("read", path, errno));
    size += static_cast<std::size_t>(count);
    if (size > bytes_max) {
      return fail(ErrorCode::too_large, fmt::format("'{}' has more than {} bytes", path.string(), bytes_max));
    }
    if (count == 0) break;
  }
  bytes.resize(size);
  return bytes;
}

Status write_file(const std::filesystem::path& path, std::string_view temporary_name, BytesView bytes, mode_t mode,
                  Sync sync) {
  const std::filesystem::path temporary = path.parent_path() / temporary_name;
  TRV_TRY(write_aside(temporary, bytes, mode, sync));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int number = errno;
    ::unlink(temporary.c_str());
    return fail(disk_error("rename to", path, number));
  }
  return sync == Sync::now ? sync_folder(path.parent_path()) : Status();
}

Result<bool> create_file(const std::filesystem::path& path, std::string_view temporary_name, BytesView bytes,
                         mode_t mode) {
  const std::filesystem::path temporary = path.parent_path() / temporary_name;
  TRV_TRY(write_aside(temporary, bytes, mode, Sync::now));
  // Unlike rename, link never replaces the file of a process that was faster.
  const int linked = ::link(temporary.c_str(), path.c_str()) == 0 ? 0 : errno;
  if (::unlink(temporary.c_str()) != 0) return fail(disk_error("remove", temporary, errno));
  if (linked == EEXIST) return false;
  if (linked != 0) return fail(disk_error("create", path, linked));
  TRV_TRY(sync_folder(path.parent_path()));
  return true;
}

Status sync_file(const std::filesystem::path& path) {
  TRV_TRY(sync_opened(path, O_RDONLY, ::fsync));
  return sync_folder(path.parent_path());
}

Status sync_folder(const std::filesystem::path& folder) {
  return sync_opened(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY, ::fsync);
}

Status sync_file_system(const std::filesystem::path& folder) {
  return sync_opened(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY, ::syncfs);
}

}  // namespace trv::base
