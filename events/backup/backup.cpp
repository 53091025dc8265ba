#include "events/backup/backup.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "sdk/base/file_copy.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::backup {
namespace {

using base::ErrorCode;
using base::fail;
using std::filesystem::path;

constexpr std::string_view unfinished_file = "backup.unfinished";
constexpr std::string_view manifest_file = "backup.sha256";
constexpr std::string_view lock_file = "lock";
constexpr std::size_t manifest_bytes_max = std::size_t{1} << 30;

std::unexpected<base::Error> failed(std::string_view doing, const path& file) {
  const int cause = errno;
  const ErrorCode code = cause == ENOSPC || cause == EDQUOT ? ErrorCode::exhausted : ErrorCode::unavailable;
  return fail(code, fmt::format("cannot {} {}: {}", doing, file.string(), std::generic_category().message(cause)));
}

// A lock of the open file, not of the process, on a byte of the file by which a daemon owns the folder.
struct flock whole_file(short type) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

base::Result<base::OpenFile> lock_folder(const path& data) {
  const path file = data / lock_file;
  base::OpenFile opened(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!opened.is_open()) return failed("open", file);
  struct flock lock = whole_file(F_WRLCK);
  if (::fcntl(opened.number(), F_OFD_SETLK, &lock) == 0) return opened;
  if (errno != EAGAIN && errno != EACCES) return failed("lock", file);
  return fail(ErrorCode::conflict, fmt::format("another backup of {} is under way; wait for its end", data.string()));
}

struct Line {
  std::string digest;
  std::string path;
};

base::Result<std::vector<Line>> read_manifest(const path& folder) {
  constexpr std::size_t digits = 64;
  const path file = folder / manifest_file;
  TRV_TRY_ASSIGN(const base::Bytes bytes, base::read_file(file, manifest_bytes_max));
  std::vector<Line> lines;
  for (std::string_view rest = base::as_text(bytes); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    const bool has_form = line.size() > digits + 2 && line.size() < rest.size() && line.substr(digits, 2) == "  ";
    if (!has_form) {
      return fail(ErrorCode::corrupt, fmt::format("{} line {} is not a digest and a path; the backup is damaged",
                                                  file.string(), lines.size() + 1));
    }
    lines.push_back({.digest = std::string(line.substr(0, digits)), .path = std::string(line.substr(digits + 2))});
    rest.remove_prefix(line.size() + 1);
  }
  return lines;
}

std::uint64_t size_of(const path& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  return error ? 0 : size;
}

}  // namespace

base::Result<Report> verify(const path& folder, const Progress& progress) {
  std::error_code error;
  if (std::filesystem::exists(folder / unfinished_file, error)) {
    return fail(ErrorCode::corrupt, fmt::format("the backup in {} was not finished ({} exists); use another backup",
                                                folder.string(), unfinished_file));
  }
  auto lines = read_manifest(folder);
  if (!lines && lines.error().code() == ErrorCode::not_found) {
    return fail(ErrorCode::not_found, fmt::format("{} holds no backup: {} is missing", folder.string(), manifest_file));
  }
  TRV_TRY(lines);
  Report report;
  for (const Line& line : *lines) {
    const path file = folder / line.path;
    const std::uint64_t total = size_of(file);
    const auto found = base::digest_file(file, [&](std::uint64_t done) {
      if (progress) progress(line.path, done, total);
    });
    if (!found && found.error().code() != ErrorCode::not_found) return fail(found.error());
    if (!found || base::to_hex(found->sha256) != line.digest) {
      return fail(ErrorCode::corrupt, fmt::format("{} {}; copy the backup again, or use another one", file.string(),
                                                  found ? "is not what was backed up" : "is missing"));
    }
    ++report.files;
    report.bytes += found->bytes;
  }
  return report;
}

base::Status take_over(const path& data) {
  const auto verified = verify(data);
  if (!verified) {
    return verified.error().code() == ErrorCode::not_found ? base::Status() : base::Status(fail(verified.error()));
  }
  if (::unlink((data / manifest_file).c_str()) != 0) return failed("remove", data / manifest_file);
  return base::sync_folder(data);
}

base::Result<Hold> hold(const path& data) {
  TRV_TRY_ASSIGN(base::OpenFile lock, lock_folder(data));
  return Hold(std::move(lock));
}

bool is_running(const path& data) {
  const base::OpenFile opened(::open((data / lock_file).c_str(), O_RDONLY | O_CLOEXEC));
  struct flock lock = whole_file(F_RDLCK);
  return opened.is_open() && ::fcntl(opened.number(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace trv::backup
