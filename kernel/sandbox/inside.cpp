#include "kernel/sandbox/inside.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "kernel/sandbox/job.hpp"
#include "kernel/sandbox/walls.hpp"

namespace trv::sandbox {
namespace {

[[noreturn]] void report(char letter, std::string_view text) {
  const std::string line = fmt::format("{}{}\n", letter, text);
  // A report that nobody reads is one that nobody waits for.
  static_cast<void>(!::write(report_file, line.data(), line.size()));
  ::_exit(0);
}

[[noreturn]] void give_up(std::string_view what) {
  report(report_failed, errno == 0 ? std::string(what) : fmt::format("{}: {}", what, std::strerror(errno)));
}

void must(bool done, std::string_view what) {
  if (!done) give_up(what);
}

std::string read_job() {
  std::string bytes;
  std::array<char, 65'536> part;
  for (;;) {
    const ssize_t size = ::read(job_file, part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    must(size >= 0, "the job cannot be read");
    if (size == 0) return bytes;
    bytes.append(part.data(), static_cast<std::size_t>(size));
  }
}

void write_file(const char* path, std::string_view text, mode_t mode = 0) {
  const int file = ::open(path, O_WRONLY | O_CLOEXEC | (mode == 0 ? 0 : O_CREAT | O_EXCL), mode);
  must(file >= 0, path);
  while (!text.empty()) {
    const ssize_t size = ::write(file, text.data(), text.size());
    must(size > 0, path);
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  must(::close(file) == 0, path);
}

// A wall that is not there ends it.
void must(std::string_view problem) {
  if (!problem.empty()) give_up(problem);
}

[[noreturn]] void become(const Job& job) {
  const std::string script = fmt::format("{}/{}", job_folder, job.script_name);
  must(::chdir(std::string(job_folder).c_str()) == 0, "the folder of the job");
  write_file(script.c_str(), job.script, 0400);
  std::vector<std::string> words = {job.interpreter, script};
  words.insert(words.end(), job.arguments.begin(), job.arguments.end());
  std::vector<std::string> environment = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", fmt::format("HOME={}", job_folder)};
  environment.insert(environment.end(), job.environment.begin(), job.environment.end());
  const auto pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (std::string& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
  };
  const std::vector<char*> arguments_given = pointers(words);
  const std::vector<char*> environment_given = pointers(environment);
  must(::setsid() >= 0, "a session of its own");
  must(drop_privileges());
  must(limit(RLIMIT_CORE, 0));
  must(limit(RLIMIT_FSIZE, job.limits.files_bytes));
  must(limit(RLIMIT_NOFILE, job.limits.open_files));
  must(limit(RLIMIT_CPU, job.limits.cpu_seconds));
  must(limit(RLIMIT_NPROC, job.limits.processes));
  must(limit(RLIMIT_MEMLOCK, 0));
  must(limit(RLIMIT_MSGQUEUE, 0));
  must(SystemCallFilter(SystemCalls::of_scripts).apply());
  must(limit(RLIMIT_DATA, job.limits.memory_bytes));
  ::execve(words.front().c_str(), arguments_given.data(), environment_given.data());
  give_up(fmt::format("the interpreter {}", job.interpreter));
}

// The first process of the namespace: with it, all others there end.
[[noreturn]] void begin(const Job& job, int say, int hear) {
  must(end_with_parent());
  // Who started it may have been killed before that: then nobody says go.
  char word = 'r';
  if (::write(say, &word, 1) != 1 || ::read(hear, &word, 1) != 1) ::_exit(1);
  must(change_root(job.limits.files_bytes));
  const pid_t child = ::fork();
  must(child >= 0, "no process for the job");
  if (child == 0) become(job);
  // What reads the output waits for the job alone.
  for (const int file : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(file);
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended == child) report(report_ended, std::to_string(status));
    if (ended < 0 && errno != EINTR) give_up("the job cannot be waited for");
  }
}

}  // namespace

void run_inside() {
  errno = 0;
  must(::fcntl(report_file, F_SETFD, FD_CLOEXEC) == 0, "no pipe for the report");
  must(leave_root());
  must(end_with_parent());
  const auto job = decode(read_job());
  ::close(job_file);
  if (!job) {
    errno = 0;
    give_up(job.error().message());
  }
  must(enter_namespaces());
  std::array<int, 2> ready{};
  std::array<int, 2> go{};
  must(::pipe2(ready.data(), O_CLOEXEC) == 0 && ::pipe2(go.data(), O_CLOEXEC) == 0, "no way to start the sandbox");
  const pid_t child = ::fork();
  must(child >= 0, "no process for the sandbox");
  ::close(child == 0 ? ready[0] : ready[1]);
  ::close(child == 0 ? go[1] : go[0]);
  if (child == 0) begin(*job, ready[1], go[0]);
  ::close(report_file);
  for (const int file : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(file);
  char word = 'g';
  if (::read(ready[0], &word, 1) == 1) static_cast<void>(!::write(go[1], &word, 1));
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::_exit(0);
}

}  // namespace trv::sandbox
