#include "sdk/base/file_age.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace trv::base {

// Opened, because another machine may have touched it just now: what is known of a name may be some seconds old.
Result<bool> is_older(const std::filesystem::path& path, Timestamp now, Duration age) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat about{};
  const int number = file >= 0 && ::fstat(file, &about) == 0 ? 0 : errno;
  if (file >= 0) ::close(file);
  if (number == ENOENT) return false;
  if (number != 0) {
    return fail(ErrorCode::unavailable,
                fmt::format("cannot open '{}': {}", path.string(), std::generic_category().message(number)));
  }
  const auto written = std::chrono::seconds(about.st_mtim.tv_sec) + std::chrono::nanoseconds(about.st_mtim.tv_nsec);
  return Duration(now.ns()) - written >= age;
}

}  // namespace trv::base
