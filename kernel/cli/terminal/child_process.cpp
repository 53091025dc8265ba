#include "kernel/cli/terminal/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "sdk/base/contract.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::cli {
namespace {

constexpr std::size_t output_bytes_max = 1'000'000;

std::string reason(int error) {
  return std::system_category().message(error);
}

base::Result<pid_t> spawn(const std::vector<std::string>& words, int output) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  if (::posix_spawn_file_actions_init(&files) != 0 || ::posix_spawnattr_init(&attributes) != 0) {
    return base::fail(base::ErrorCode::unavailable, "no memory for a process");
  }
  int error = ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (error == 0)
    error = ::posix_spawn_file_actions_adddup2(&files, output < 0 ? STDERR_FILENO : output, STDOUT_FILENO);
  if (error == 0 && output >= 0) {
    error = ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  // This program may hold signals back; what it starts must end by them.
  sigset_t none;
  sigemptyset(&none);
  if (error == 0) error = ::posix_spawnattr_setsigmask(&attributes, &none);
  if (error == 0) error = ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t child = -1;
  if (error == 0) error = ::posix_spawnp(&child, arguments[0], &files, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (error == 0) return child;
  return base::fail(error == ENOENT ? base::ErrorCode::not_found : base::ErrorCode::unavailable,
                    fmt::format("{} cannot be started: {}", words[0], reason(error)));
}

}  // namespace

base::Result<ChildEnd> run_child(const std::vector<std::string>& words, ChildOutput output) {
  TRV_EXPECTS(!words.empty());
  std::array<int, 2> ends{-1, -1};
  if (output == ChildOutput::taken && ::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return base::fail(base::ErrorCode::unavailable, "no pipe: " + reason(errno));
  }
  base::OpenFile hear(ends[0]);
  base::OpenFile say(ends[1]);
  TRV_TRY_ASSIGN(const pid_t child, spawn(words, say.number()));
  say.close();
  ChildEnd end;
  std::array<char, 4'096> part{};
  while (output == ChildOutput::taken) {
    const ssize_t size = ::read(hear.number(), part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    // What is too much is read all the same: its writer must not wait for ever.
    end.output.append(part.data(), std::min(static_cast<std::size_t>(size), output_bytes_max - end.output.size()));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) TRV_ASSERT(errno == EINTR);
  end.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return end;
}

}  // namespace trv::cli
