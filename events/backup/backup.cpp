#include "events/backup/backup.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "events/lmdb/env.hpp"
#include "sdk/base/contract.hpp"
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
constexpr std::string_view environment_file = "data.mdb";
constexpr std::size_t manifest_bytes_max = std::size_t{1} << 30;
constexpr auto progress_interval = std::chrono::milliseconds(200);
// A reader's map holds whatever size the writer is configured with.
constexpr std::uint64_t map_bytes = std::uint64_t{16384} << 30;

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

std::string to_text(const std::vector<Line>& lines) {
  std::string text;
  for (const Line& line : lines) text += fmt::format("{}  {}\n", line.digest, line.path);
  return text;
}

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

/// A log on Kafka is not in the folder.
bool has_log(const path& data) {
  std::error_code error;
  return std::filesystem::exists(data / "log" / environment_file, error);
}

class Copy {
 public:
  Copy(path data, path to, const Progress& progress)
      : data_(std::move(data)), to_(std::move(to)), progress_(progress) {}

  base::Result<Report> run() {
    if (has_log(data_)) TRV_TRY(copy_environment("log"));
    TRV_TRY(copy_folder(""));
    std::ranges::sort(lines_, {}, &Line::path);
    TRV_TRY(base::write_file(to_ / manifest_file, ".manifest", base::to_bytes(to_text(lines_)), 0600));
    if (::unlink((to_ / unfinished_file).c_str()) != 0) return failed("remove", to_ / unfinished_file);
    TRV_TRY(base::sync_folder(to_));
    return Report{.files = lines_.size(), .bytes = bytes_};
  }

 private:
  base::Status make_folder(const path& relative) {
    std::error_code error;
    std::filesystem::create_directories(to_ / relative, error);
    if (!error) std::filesystem::permissions(to_ / relative, std::filesystem::perms::owner_all, error);
    if (!error) return {};
    return fail(ErrorCode::unavailable, fmt::format("cannot make {}: {}", (to_ / relative).string(), error.message()));
  }

  void tell(const path& relative, std::uint64_t bytes, std::uint64_t total) const {
    if (progress_) progress_(relative.string(), bytes, total);
  }

  base::Status copy_environment(const path& relative) {
    TRV_TRY_ASSIGN(const lmdb::Env environment,
                   lmdb::Env::open(data_ / relative, {.map_bytes = map_bytes, .access = lmdb::Access::read_only}));
    TRV_TRY(make_folder(relative));
    const path file = relative / environment_file;
    base::Status copied;
    {
      const std::uint64_t total = size_of(data_ / file);
      std::mutex mutex;
      std::condition_variable ended;
      bool is_done = false;
      std::jthread watch([&] {
        std::unique_lock lock(mutex);
        while (!ended.wait_for(lock, progress_interval, [&] { return is_done; }))
          tell(file, size_of(to_ / file), total);
      });
      copied = environment.copy_to(to_ / relative);
      const std::scoped_lock lock(mutex);
      is_done = true;
      ended.notify_all();
    }
    TRV_TRY(std::move(copied));
    if (::chmod((to_ / file).c_str(), 0600) != 0) return failed("set the mode of", to_ / file);
    TRV_TRY_ASSIGN(const base::FileDigest digest, base::digest_file(to_ / file));
    return note_file(file, digest);
  }

  // What comes back by itself, what belongs to one process, and what a crash may leave half written.
  static bool is_left_out(const path& relative) {
    const std::string name = relative.filename().string();
    const bool is_top = !relative.has_parent_path();
    if (name.starts_with('.')) return true;
    return is_top && (name == lock_file || name == "log" || name.starts_with("projection") || name == "plugins" ||
                      name == unfinished_file || name == manifest_file);
  }

  base::Status copy_folder(const path& relative) {
    std::vector<path> entries;
    std::error_code error;
    for (std::filesystem::directory_iterator at(data_ / relative, error), end; !error && at != end;
         at.increment(error)) {
      entries.push_back(relative / at->path().filename());
    }
    // A package or a secret that was refused meanwhile may be gone.
    if (error == std::errc::no_such_file_or_directory) return {};
    if (error) {
      return fail(ErrorCode::unavailable,
                  fmt::format("cannot read {}: {}", (data_ / relative).string(), error.message()));
    }
    for (const path& entry : entries) {
      if (is_left_out(entry)) continue;
      const auto kind = std::filesystem::status(data_ / entry, error).type();
      if (kind == std::filesystem::file_type::directory) {
        TRV_TRY(make_folder(entry));
        TRV_TRY(copy_folder(entry));
      } else if (kind == std::filesystem::file_type::regular) {
        TRV_TRY(copy_file(entry));
      }
    }
    return base::sync_folder(to_ / relative);
  }

  base::Status copy_file(const path& relative) {
    const path target = to_ / relative;
    struct stat about{};
    if (::stat((data_ / relative).c_str(), &about) != 0) {
      return errno == ENOENT ? base::Status() : base::Status(failed("read", data_ / relative));
    }
    const auto total = static_cast<std::uint64_t>(about.st_size);
    const auto copied = base::copy_file(data_ / relative, target, 0600, base::Sync::now,
                                        [&](std::uint64_t size) { tell(relative, size, total); });
    if (!copied && copied.error().code() == ErrorCode::not_found) return {};
    TRV_TRY(copied);
    if (::chmod(target.c_str(), about.st_mode & 0777) != 0) return failed("set the mode of", target);
    return note_file(relative, *copied);
  }

  base::Status note_file(const path& relative, const base::FileDigest& digest) {
    if (relative.string().find('\n') != std::string::npos) {
      return fail(ErrorCode::invalid, fmt::format("the name of {} has a line end", (data_ / relative).string()));
    }
    lines_.push_back({.digest = base::to_hex(digest.sha256), .path = relative.string()});
    bytes_ += digest.bytes;
    return {};
  }

  const path data_;
  const path to_;
  const Progress& progress_;
  std::vector<Line> lines_;
  std::uint64_t bytes_ = 0;
};

base::Status check_places(const path& data, const path& to) {
  std::error_code error;
  if (!has_log(data) && !std::filesystem::exists(data / "keys/audit.pem", error)) {
    return fail(ErrorCode::invalid,
                fmt::format("{} is not a data folder of travd: it has neither {} nor keys/audit.pem", data.string(),
                            (path("log") / environment_file).string()));
  }
  const path inner = std::filesystem::weakly_canonical(std::filesystem::absolute(to, error), error);
  const path outer = std::filesystem::canonical(data, error);
  if (!error && std::ranges::mismatch(outer, inner).in1 == outer.end()) {
    return fail(ErrorCode::invalid,
                fmt::format("{} lies in {}; choose a folder outside of it", to.string(), data.string()));
  }
  if (!std::filesystem::exists(to, error) ||
      (std::filesystem::is_directory(to, error) && std::filesystem::is_empty(to, error))) {
    return {};
  }
  return fail(ErrorCode::conflict, fmt::format("{} is not an empty folder; choose another one", to.string()));
}

}  // namespace

base::Result<Report> create(const path& data, const path& to, const Progress& progress) {
  TRV_TRY(check_places(data, to));
  TRV_TRY_ASSIGN(const base::OpenFile lock, lock_folder(data));
  TRV_ASSERT(is_running(data));
  std::error_code error;
  std::filesystem::create_directories(to, error);
  if (!error) std::filesystem::permissions(to, std::filesystem::perms::owner_all, error);
  if (error) return fail(ErrorCode::unavailable, fmt::format("cannot make {}: {}", to.string(), error.message()));
  TRV_TRY(base::write_file(to / unfinished_file, ".unfinished",
                           base::to_bytes("This copy is not finished. Remove the folder and make another backup.\n"),
                           0600));
  return Copy(data, to, progress).run();
}

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

bool is_running(const path& data) {
  const base::OpenFile opened(::open((data / lock_file).c_str(), O_RDONLY | O_CLOEXEC));
  struct flock lock = whole_file(F_RDLCK);
  return opened.is_open() && ::fcntl(opened.number(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace trv::backup
