// A disk that takes its time: loaded into a program with LD_PRELOAD. While the file exists that SLOW_DISK names, each
// fdatasync takes as many milliseconds longer as the file says, or until the file is gone.

#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace {

/// 0 where the file does not exist.
long milliseconds_more(const char* file) {
  std::FILE* const opened = std::fopen(file, "re");
  if (opened == nullptr) return 0;
  long more = 0;
  if (std::fscanf(opened, "%ld", &more) != 1) more = 0;
  std::fclose(opened);
  return more;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int fdatasync(int file) {
  using Function = int (*)(int);
  static const auto real = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "fdatasync"));
  const char* const slow = std::getenv("SLOW_DISK");
  if (real == nullptr || slow == nullptr) {
    errno = EINVAL;
    return -1;
  }
  constexpr long step = 10;
  for (long waited = 0; waited < milliseconds_more(slow); waited += step) ::usleep(step * 1000);
  return real(file);
}
