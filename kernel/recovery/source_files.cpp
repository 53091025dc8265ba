#include "kernel/recovery/source_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

#include "sdk/base/open_file.hpp"

namespace trv::recovery {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;
using std::filesystem::path;

std::unexpected<base::Error> failed(std::string_view doing, const path& file, int cause) {
  return fail(ErrorCode::unavailable,
              fmt::format("cannot {} {}: {}", doing, file.string(), std::generic_category().message(cause)));
}

/// Fills `into` as far as the file goes.
Result<std::size_t> read_some(const base::OpenFile& file, const path& name, base::Bytes& into) {
  into.resize(object_bytes_max);
  std::size_t filled = 0;
  while (filled < into.size()) {
    const ssize_t count = ::read(file.number(), into.data() + filled, into.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("read", name, errno);
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  into.resize(filled);
  return filled;
}

bool is_left_out(const path& relative) {
  constexpr std::array names{
      "lock", "log", "plugins", "tries", "copy.unfinished", "backup.unfinished", "backup.sha256", "restored.json"};
  const std::string name = relative.filename().string();
  if (name.starts_with('.')) return true;
  return !relative.has_parent_path() &&
         (std::ranges::find(names, name) != names.end() || name.starts_with("projection"));
}

std::string_view first_of(std::string_view path) {
  return path.substr(0, path.find('/'));
}

/// Its name follows from its bytes, or is never used twice.
bool never_changes(std::string_view path) {
  const std::string_view first = first_of(path);
  return first == "blobs" || first == "packages" || (first == "secrets" && std::ranges::count(path, '/') == 2);
}

/// Where a file of a blob store has the digest of its bytes in its name.
std::optional<std::string> digest_in_name(std::string_view path) {
  const std::string_view first = first_of(path);
  if (first != "blobs" && first != "packages") return std::nullopt;
  std::string digits(path.substr(first.size()));
  std::erase(digits, '/');
  return digits.size() == 64 ? std::optional(std::move(digits)) : std::nullopt;
}

class FileWalk {
 public:
  FileWalk(path beside, const std::vector<SnapshotRange>& snapshots, const Files& known, Target& target,
           const Progress& progress)
      : beside_(std::move(beside)), snapshots_(snapshots), known_(known), target_(target), progress_(progress) {}

  Result<FoundFiles> run() {
    TRV_TRY(walk(""));
    return std::move(found_);
  }

 private:
  Status walk(const path& relative) {
    std::vector<path> entries;
    std::error_code error;
    for (std::filesystem::directory_iterator at(beside_ / relative, error), end; !error && at != end;
         at.increment(error)) {
      entries.push_back(relative / at->path().filename());
    }
    if (error == std::errc::no_such_file_or_directory) return {};
    if (error) return failed("read", beside_ / relative, error.value());
    std::ranges::sort(entries);
    for (const path& entry : entries) {
      if (is_left_out(entry) || !is_wanted_snapshot(entry)) continue;
      const auto kind = std::filesystem::symlink_status(beside_ / entry, error).type();
      if (kind == std::filesystem::file_type::directory) {
        TRV_TRY(walk(entry));
      } else if (kind == std::filesystem::file_type::regular) {
        TRV_TRY(take(entry));
      }
    }
    return {};
  }

  /// True also for what is not of a snapshot. `snapshots/<shard>/<lsn>-…`.
  bool is_wanted_snapshot(const path& entry) const {
    auto part = entry.begin();
    if (*part != "snapshots") return true;
    if (snapshots_.empty()) return false;
    if (++part == entry.end()) return true;
    const auto number_of = [](const std::string& text) {
      std::uint64_t number = 0;
      std::from_chars(text.data(), text.data() + text.size(), number);
      return number;
    };
    const ShardId shard(number_of(part->string()));
    const auto range = std::ranges::find(snapshots_, shard, &SnapshotRange::shard);
    if (range == snapshots_.end()) return false;
    if (++part == entry.end()) return true;
    const Lsn lsn(number_of(part->string()));
    return range->least <= lsn && lsn <= range->greatest;
  }

  Status take(const path& relative) {
    const std::string name = relative.generic_string();
    if (name.find('\n') != std::string::npos) {
      return fail(ErrorCode::invalid,
                  fmt::format("the name of {} has a line end; rename or remove it", (beside_ / relative).string()));
    }
    const base::OpenFile file(::open((beside_ / relative).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file.is_open()) return errno == ENOENT ? Status() : Status(failed("open", beside_ / relative, errno));
    struct stat about{};
    if (::fstat(file.number(), &about) != 0) return failed("read", beside_ / relative, errno);
    const auto known = known_.find(name);
    if (known != known_.end() && never_changes(name) &&
        known->second.whole.bytes == static_cast<std::uint64_t>(about.st_size)) {
      return {};
    }
    FileEntry entry{.path = name, .mode = static_cast<std::uint32_t>(about.st_mode & 0777), .whole = {}, .parts = {}};
    TRV_TRY(put(file, entry));
    const auto digest = digest_in_name(name);
    if (digest && *digest != base::to_hex(entry.whole.sha256)) {
      found_.problems.push_back(
          fmt::format("{} is damaged: its bytes do not have the SHA-256 of its name; the backup "
                      "does not have it",
                      (beside_ / relative).string()));
      return {};
    }
    if (known == known_.end() || known->second != entry) found_.files.push_back(std::move(entry));
    return {};
  }

  Status put(const base::OpenFile& file, FileEntry& entry) {
    base::Sha256 whole;
    for (;;) {
      TRV_TRY_ASSIGN(const std::size_t count, read_some(file, beside_ / entry.path, buffer_));
      if (count == 0 && entry.whole.bytes > 0) break;
      whole.add(buffer_);
      entry.whole.bytes += count;
      const Object object = object_of(buffer_);
      TRV_TRY_ASSIGN(const bool is_new, target_.put(object, buffer_));
      if (is_new) found_.bytes += object.bytes;
      entry.parts.push_back(object);
      if (progress_) progress_(entry.path, entry.whole.bytes, 0);
      if (count < object_bytes_max) break;
    }
    entry.whole.sha256 = whole.digest();
    if (entry.parts.size() == 1) entry.parts.clear();
    return {};
  }

  const path beside_;
  const std::vector<SnapshotRange>& snapshots_;
  const Files& known_;
  Target& target_;
  const Progress& progress_;
  base::Bytes buffer_;
  FoundFiles found_;
};

}  // namespace

Result<FoundFiles> put_files(const path& beside, const std::vector<SnapshotRange>& snapshots, const Files& known,
                             Target& target, const Progress& progress) {
  return FileWalk(beside, snapshots, known, target, progress).run();
}

}  // namespace trv::recovery
