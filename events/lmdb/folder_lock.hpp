#pragma once
// The lock by which one daemon owns a data folder.

#include <filesystem>

#include "sdk/base/result.hpp"

namespace trv::lmdb {

/// An exclusive lock on `<folder>/lock` while it lives; the system releases it when the process dies. Any thread.
class FolderLock {
 public:
  /// Creates folder and file where they are missing. Never waits.
  /// Errors: conflict if another daemon holds it; unavailable if the folder cannot be written.
  [[nodiscard]] static base::Result<FolderLock> acquire(const std::filesystem::path& folder);
  /// The same, but waits for as long as another process holds it.
  [[nodiscard]] static base::Result<FolderLock> await(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(FolderLock&& other) noexcept;
  FolderLock& operator=(FolderLock&& other) noexcept;

 private:
  [[nodiscard]] static base::Result<FolderLock> lock(const std::filesystem::path& folder, int operation);
  explicit FolderLock(int descriptor) noexcept : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace trv::lmdb
