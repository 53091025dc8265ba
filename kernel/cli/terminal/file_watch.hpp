#pragma once
// Waits for changes of files, or for the user to end the waiting. One thread, one watch at a time in a process.

#include <signal.h>
#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::cli {

enum class WatchEnd { changed, interrupted };

/// Looks at the files five times a second: that also works where the system reports no changes, as on network drives. A
/// file that goes or comes has changed, too. From its construction to its end, SIGINT and SIGTERM are only seen by
/// wait(), and so is the end of the program that reads the standard output.
class FileWatch {
 public:
  /// Error: unavailable where the system has no descriptor for signals.
  [[nodiscard]] static base::Result<FileWatch> start(const std::vector<std::string>& files);
  ~FileWatch();
  FileWatch(FileWatch&& other) noexcept;
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;
  FileWatch& operator=(FileWatch&&) = delete;

  /// Until some file is not as it was at the construction or at the last return, and has been as it is for one look.
  [[nodiscard]] WatchEnd wait();

 private:
  /// What changes when a file does.
  struct Stamp {
    ino_t inode = 0;
    off_t bytes = 0;
    timespec modified{};
    friend bool operator==(const Stamp& one, const Stamp& other) noexcept {
      return one.inode == other.inode && one.bytes == other.bytes && one.modified.tv_sec == other.modified.tv_sec &&
             one.modified.tv_nsec == other.modified.tv_nsec;
    }
  };
  struct Watched {
    std::string file;
    std::optional<Stamp> stamp;  ///< none: it is not there
  };

  FileWatch(const std::vector<std::string>& files, int signals, const sigset_t& before);
  [[nodiscard]] static std::optional<Stamp> stamp_of(const std::string& file);
  /// Whether some file is not as it was; as they are now is then as they were.
  [[nodiscard]] bool look();

  std::vector<Watched> watched_;
  int signals_ = -1;
  sigset_t before_{};
};

}  // namespace trv::cli
