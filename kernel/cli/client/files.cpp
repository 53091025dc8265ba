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

base::Status write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return base::fail(ErrorCode::internal, reason());
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// Calls `sync` with a folder's descriptor.
base::Status with_folder(const std::filesystem::path& folder, int (*sync)(int)) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return base::fail(ErrorCode::internal, fmt::format("{}: {}", folder.string(), reason()));
  const bool synced = sync(descriptor) == 0;
  const std::string why = reason();
  ::close(descriptor);
  if (!synced) return base::fail(ErrorCode::internal, fmt::format("syncing {}: {}", folder.string(), why));
  return {};
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

base::Status replace_file(const std::filesystem::path& file, std::string_view bytes, FileMode mode, Sync sync) {
  const auto failed = [&](const std::string& why) {
    return base::fail(ErrorCode::internal, fmt::format("writing {}: {}", file.string(), why));
  };
  std::string aside = file.string() + ".XXXXXX";
  const int descriptor = ::mkostemp(aside.data(), O_CLOEXEC);
  if (descriptor < 0) return failed(reason());
  base::Status written = write_all(descriptor, bytes);
  if (written && sync == Sync::now && ::fsync(descriptor) != 0) written = base::fail(ErrorCode::internal, reason());
  const mode_t bits = mode == FileMode::owner_only ? S_IRUSR | S_IWUSR : S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;
  if (written && ::fchmod(descriptor, bits) != 0) written = base::fail(ErrorCode::internal, reason());
  if (::close(descriptor) != 0 && written) written = base::fail(ErrorCode::internal, reason());
  if (written && ::rename(aside.c_str(), file.c_str()) != 0) written = base::fail(ErrorCode::internal, reason());
  if (!written) {
    ::unlink(aside.c_str());
    return failed(written.error().message());
  }
  if (sync == Sync::later) return {};
  return with_folder(file.has_parent_path() ? file.parent_path() : std::filesystem::path("."), ::fsync);
}

base::Status sync_all(const std::filesystem::path& folder) {
  return with_folder(folder, ::syncfs);
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

}  // namespace trv::cli
