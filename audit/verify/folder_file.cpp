#include "audit/verify/folder_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace trv::verify {
namespace {

using base::ErrorCode;

struct Descriptor {
  explicit Descriptor(int number) : value(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value >= 0) {
      ::close(value);
    }
  }
  int value;
};

std::unexpected<base::Error> failed(int error) {
  const ErrorCode code = error == ENOENT || error == ENOTDIR ? ErrorCode::not_found : ErrorCode::unavailable;
  return base::fail(code, error == ENOENT ? "is missing" : std::generic_category().message(error));
}

}  // namespace

base::Result<base::Bytes> read_file(const std::filesystem::path& file, std::size_t bytes_max) {
  // Without O_NONBLOCK, opening a pipe would wait for its writer.
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (descriptor.value < 0 || ::fstat(descriptor.value, &status) != 0) {
    return failed(errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return base::fail(ErrorCode::invalid, "is not a regular file");
  }
  if (static_cast<std::uint64_t>(status.st_size) > bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("has {} bytes; at most {} are possible here", status.st_size, bytes_max));
  }
  base::Bytes bytes(static_cast<std::size_t>(status.st_size));
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(descriptor.value, bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return failed(errno);
    }
    if (got == 0) {
      break;
    }
    size += static_cast<std::size_t>(got);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace trv::verify
