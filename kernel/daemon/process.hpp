#pragma once
// What the daemon needs of its process: open files, programs beside it, and a place for secrets that is not a log.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/config/config.hpp"
#include "kernel/effects/try_journal.hpp"
#include "kernel/http/server.hpp"

namespace trv::daemon {

/// Raises the soft limit of open files to the hard limit. Returns a warning where that is less than the connections of
/// the API and the effects under way need.
[[nodiscard]] std::optional<std::string> raise_open_files(const config::Config& config);

/// How the API is served; it opens later.
[[nodiscard]] http::ServerOptions api_options(const config::Config& config);

/// The path of a program that is installed in the folder of this one. Error: unavailable where there is none.
[[nodiscard]] base::Result<std::filesystem::path> beside_this_program(std::string_view name);

/// Whether a service manager keeps what is written to this descriptor: systemd started the process, and the descriptor
/// is not a terminal.
[[nodiscard]] bool is_journaled(const config::Environment& environment, int descriptor);

/// Whether this descriptor is the journal itself, which takes the priority of each line from its beginning: the socket
/// that JOURNAL_STREAM names (systemd.exec(5)).
[[nodiscard]] bool is_journal(const config::Environment& environment, int descriptor);

/// Notes a crash of this process for the next one: a signal such as SIGSEGV, abort(), or exit() by something else than
/// the daemon. What ends the process from outside leaves no note. One at a time.
class CrashNote {
 public:
  /// Reads the note that the last process left, if any, and takes it away. Error: unavailable, with the path.
  [[nodiscard]] static base::Result<std::unique_ptr<CrashNote>> open(const std::filesystem::path& file);
  /// The process ends in order, or lives on.
  ~CrashNote();
  CrashNote(const CrashNote&) = delete;
  CrashNote& operator=(const CrashNote&) = delete;

  [[nodiscard]] effects::LastEnd last_end() const noexcept { return last_end_; }
  /// It crashed because a file in its memory could not be read (SIGBUS).
  [[nodiscard]] bool file_failed() const noexcept { return file_failed_; }

 private:
  CrashNote(volatile char* page, effects::LastEnd last_end, bool file_failed)
      : page_(page), last_end_(last_end), file_failed_(file_failed) {}

  volatile char* page_;
  effects::LastEnd last_end_;
  bool file_failed_;
};

}  // namespace trv::daemon
