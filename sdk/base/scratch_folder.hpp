#pragma once
// A folder for files that nobody else reads and that nothing outlives. One thread.

#include <filesystem>
#include <string_view>
#include <utility>

#include "sdk/base/result.hpp"

namespace trv::base {

/// Removed with this, and all that is in it. What is open by then stays until it is closed.
class ScratchFolder {
 public:
  /// `<parent>/<name>-<six characters>`, for this user only. Error: unavailable, with the place.
  [[nodiscard]] static Result<ScratchFolder> make(std::string_view name, const std::filesystem::path& parent);
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace trv::base
