#include "events/lmdb/folder_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace trv::lmdb {

using base::ErrorCode;
using base::fail;
using base::Result;

Result<FolderLock> FolderLock::acquire(const std::filesystem::path& folder) {
  return lock(folder, LOCK_EX | LOCK_NB);
}

Result<FolderLock> FolderLock::await(const std::filesystem::path& folder) {
  return lock(folder, LOCK_EX);
}

Result<FolderLock> FolderLock::lock(const std::filesystem::path& folder, int operation) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return fail(ErrorCode::unavailable,
                fmt::format("cannot create the data folder {}: {}", folder.string(), error.message()));
  }
  const std::filesystem::path file = folder / "lock";
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return fail(ErrorCode::unavailable,
                fmt::format("cannot open {}: {}", file.string(), std::generic_category().message(errno)));
  }
  int failed = 0;
  do {
    failed = ::flock(descriptor, operation);
  } while (failed != 0 && errno == EINTR);
  if (failed != 0) {
    const int cause = errno;
    ::close(descriptor);
    if (cause == EWOULDBLOCK) {
      return fail(ErrorCode::conflict,
                  fmt::format("data folder {} is in use by another daemon; stop it, or choose another folder",
                              folder.string()));
    }
    return fail(ErrorCode::unavailable,
                fmt::format("cannot lock {}: {}", file.string(), std::generic_category().message(cause)));
  }
  return FolderLock(descriptor);
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

FolderLock::FolderLock(FolderLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

FolderLock& FolderLock::operator=(FolderLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace trv::lmdb
