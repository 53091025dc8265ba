#include "sdk/base/scratch_folder.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace trv::base {

Result<ScratchFolder> ScratchFolder::make(std::string_view name, const std::filesystem::path& parent) {
  std::string pattern = (parent / fmt::format("{}-XXXXXX", name)).string();
  if (::mkdtemp(pattern.data()) != nullptr) return ScratchFolder(pattern);
  const std::error_code error(errno, std::generic_category());
  return fail(ErrorCode::unavailable, fmt::format("cannot make the folder {}: {}", pattern, error.message()));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace trv::base
