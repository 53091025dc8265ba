#include "kernel/cli/client/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace trv::cli {
namespace {

using base::ErrorCode;

std::string reason() {
  return std::generic_category().message(errno);
}

}  // namespace

base::Result<std::string> read_file(const std::filesystem::path& file, std::size_t bytes_max) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return base::fail(ErrorCode::invalid, fmt::format("{}: {}", file.string(), reason()));
  std::string text;
  std::array<char, 65536> part{};
  for (;;) {
    const ssize_t read = ::read(descriptor, part.data(), part.size());
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) {
      const std::string why = reason();
      ::close(descriptor);
      return base::fail(ErrorCode::invalid, fmt::format("{}: {}", file.string(), why));
    }
    text.append(part.data(), static_cast<std::size_t>(read));
    if (read == 0 || text.size() > bytes_max) break;
  }
  ::close(descriptor);
  if (text.size() > bytes_max) {
    return base::fail(ErrorCode::too_large, fmt::format("{}: larger than {} bytes", file.string(), bytes_max));
  }
  return text;
}

base::Status replace_file(const std::filesystem::path& file, std::string_view bytes, FileMode mode, base::Sync sync) {
  const std::string aside = fmt::format("{}.{}", file.filename().string(), ::getpid());
  auto written = base::write_file(file, aside, base::as_bytes(bytes), mode == FileMode::owner_only ? 0600 : 0644, sync);
  if (written) return {};
  return base::fail(ErrorCode::internal, fmt::format("writing {}: {}", file.string(), written.error().message()));
}

base::Status make_private_folders(const std::filesystem::path& folder) {
  if (folder.empty()) return {};
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return {};
  TRV_TRY(make_private_folders(folder.parent_path()));
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return base::fail(ErrorCode::internal, fmt::format("creating folder {}: {}", folder.string(), reason()));
  }
  return {};
}

base::Error about_files(const base::Error& error) {
  if (error.code() == base::ErrorCode::invalid) return {base::ErrorCode::denied, error.message()};
  if (error.code() == base::ErrorCode::unauthenticated) return {base::ErrorCode::corrupt, error.message()};
  return error;
}

}  // namespace trv::cli
