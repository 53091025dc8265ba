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

Status write_new(const std::filesystem::path& path, BytesView bytes, mode_t mode) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (file.get() < 0) return fail(disk_error("create", path, errno));
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(disk_error("write", path, written < 0 ? errno : EIO));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  if (::fsync(file.get()) != 0) return fail(disk_error("sync", path, errno));
  if (const int number = file.close(); number != 0) return fail(disk_error("close", path, number));
  return {};
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

Status write_file(const std::filesystem::path& path, std::string_view temporary_name, BytesView bytes, mode_t mode) {
  const std::filesystem::path temporary = path.parent_path() / temporary_name;
  if (Status written = write_new(temporary, bytes, mode); !written) {
    ::unlink(temporary.c_str());
    return written;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int number = errno;
    ::unlink(temporary.c_str());
    return fail(disk_error("rename to", path, number));
  }
  return sync_folder(path.parent_path());
}

Status sync_folder(const std::filesystem::path& folder) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0) return fail(disk_error("open", folder, errno));
  if (::fsync(opened.get()) != 0) return fail(disk_error("sync", folder, errno));
  return {};
}

}  // namespace trv::base
