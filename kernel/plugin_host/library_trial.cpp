#include "kernel/plugin_host/library_trial.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
extern "C" {
#include <sys/pidfd.h>  // of glibc 2.36, which does not say so itself
}

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using Steady = std::chrono::steady_clock;

constexpr std::size_t output_kept_max = 4'096;
constexpr std::chrono::milliseconds stop_asked_every{50};

/// Until when the process may run.
struct Patience {
  Steady::time_point deadline;
  const std::stop_token& stop;
};

struct Ended {
  int wait_status = 0;
  bool in_time = true;
  std::string output;
};

base::Result<pid_t> spawn(const std::filesystem::path& program, std::array<const char*, 6> words, int output) {
  posix_spawn_file_actions_t files;
  if (const int error = ::posix_spawn_file_actions_init(&files); error != 0) {
    return base::fail(ErrorCode::unavailable, fmt::format("{}: {}", program.string(), std::strerror(error)));
  }
  int error = ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (error == 0) error = ::posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  if (error == 0) error = ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  if (error == 0) error = ::posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  pid_t child = -1;
  char* no_environment[] = {nullptr};
  if (error == 0) {
    error = ::posix_spawn(&child, program.c_str(), &files, nullptr, const_cast<char**>(words.data()), no_environment);
  }
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) {
    return base::fail(ErrorCode::unavailable, fmt::format("cannot start {}, which every plugin is first tried in: {}",
                                                          program.string(), std::strerror(error)));
  }
  return child;
}

bool readable_in_time(int file, const Patience& patience) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(patience.deadline - Steady::now());
    if (left.count() <= 0 || patience.stop.stop_requested()) return false;
    pollfd waiting{.fd = file, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, static_cast<int>(std::min(left, stop_asked_every).count())) > 0) return true;
  }
}

// Reads until the other end is closed. False: the time was over before.
bool read_all(int input, const Patience& patience, std::string& output) {
  std::array<char, 1'024> part{};
  for (;;) {
    if (!readable_in_time(input, patience)) return false;
    const ssize_t size = ::read(input, part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return true;
    output.append(part.data(), std::min(static_cast<std::size_t>(size), output_kept_max - output.size()));
  }
}

// A process may close its output and go on, so its end is waited for too; at the deadline it is killed.
Ended await(pid_t child, int process, int input, const Patience& patience) {
  Ended ended;
  ended.in_time = read_all(input, patience, ended.output) && readable_in_time(process, patience);
  if (!ended.in_time) ::kill(child, SIGKILL);
  while (::waitpid(child, &ended.wait_status, 0) < 0) TRV_ASSERT(errno == EINTR);
  return ended;
}

}  // namespace

base::Status try_library(const std::filesystem::path& program, const std::filesystem::path& library,
                         std::string_view id, std::string_view version, const std::stop_token& stop,
                         std::chrono::milliseconds patience) {
  TRV_EXPECTS(program.is_absolute() && library.is_absolute() && patience.count() > 0);
  const std::string id_text(id);
  const std::string version_text(version);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return base::fail(ErrorCode::unavailable, fmt::format("no pipe to {}: {}", program.string(), std::strerror(errno)));
  }
  const Steady::time_point deadline = Steady::now() + patience;
  const base::Result<pid_t> child = spawn(
      program, {program.c_str(), "--try", library.c_str(), id_text.c_str(), version_text.c_str(), nullptr}, ends[1]);
  ::close(ends[1]);
  if (!child) {
    ::close(ends[0]);
    return base::fail(child.error());
  }
  const int process = ::pidfd_open(*child, 0);
  // Without a way to wait for it, it has had its time.
  const Ended ended = await(*child, process, ends[0], {process < 0 ? Steady::now() : deadline, stop});
  if (process >= 0) ::close(process);
  ::close(ends[0]);
  if (process < 0) return base::fail(ErrorCode::unavailable, fmt::format("cannot wait for {}", program.string()));
  if (!ended.in_time && stop.stop_requested()) {
    return base::fail(ErrorCode::cancelled, fmt::format("library '{}' was not tried to the end: the process stops",
                                                        library.filename().string()));
  }
  if (!ended.in_time) {
    return base::fail(ErrorCode::invalid, fmt::format("library '{}' was not loaded within {} ms: it hangs",
                                                      library.filename().string(), patience.count()));
  }
  if (WIFSIGNALED(ended.wait_status)) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("library '{}' crashes while it is loaded ({}): it is damaged, or its own code fails",
                                  library.filename().string(), ::strsignal(WTERMSIG(ended.wait_status))));
  }
  if (WEXITSTATUS(ended.wait_status) == 0 && ended.output == trial_passed) return {};
  if (WEXITSTATUS(ended.wait_status) == 1 && !ended.output.empty()) {
    return base::fail(ErrorCode::invalid, printable(ended.output, output_kept_max));
  }
  return base::fail(ErrorCode::invalid, fmt::format("library '{}' ends the process that loads it, with exit code {}",
                                                    library.filename().string(), WEXITSTATUS(ended.wait_status)));
}

}  // namespace trv::plugin_host
