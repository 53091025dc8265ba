#include "kernel/plugin_host/library_trial.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

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

// Reads until the other end is closed, or the time is over.
bool read_all(int input, Steady::time_point deadline, std::string& output) {
  std::array<char, 1'024> part{};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Steady::now()).count();
    if (left <= 0) return false;
    pollfd waiting{.fd = input, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left));
    if (ready <= 0) continue;  // interrupted, or the time is over
    const ssize_t size = ::read(input, part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return true;
    output.append(part.data(), std::min(static_cast<std::size_t>(size), output_kept_max - output.size()));
  }
}

// A process may close its output and go on: it is killed at the deadline, whatever it does.
Ended await(pid_t child, int input, Steady::time_point deadline) {
  Ended ended;
  ended.in_time = read_all(input, deadline, ended.output);
  while (ended.in_time) {
    const pid_t found = ::waitpid(child, &ended.wait_status, WNOHANG);
    if (found == child) return ended;
    TRV_ASSERT(found == 0 || errno == EINTR);
    ended.in_time = Steady::now() < deadline;
    const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
  ::kill(child, SIGKILL);
  while (::waitpid(child, &ended.wait_status, 0) < 0 && errno == EINTR) {
  }
  return ended;
}

}  // namespace

base::Status try_library(const std::filesystem::path& program, const std::filesystem::path& library,
                         std::string_view id, std::string_view version, std::chrono::milliseconds patience) {
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
  const Ended ended = await(*child, ends[0], deadline);
  ::close(ends[0]);
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
