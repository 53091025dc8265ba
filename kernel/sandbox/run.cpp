#include "kernel/sandbox/run.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "kernel/sandbox/inside.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::sandbox {
namespace {

using base::ErrorCode;
using Steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds stop_asked_every{50};
constexpr std::size_t report_bytes_max = 1'024;

using base::OpenFile;

base::Error no_sandbox(std::string_view why) {
  return base::Error(ErrorCode::unavailable, fmt::format("the sandbox cannot be made: {}", why));
}

struct Pipe {
  OpenFile read;
  OpenFile write;
};

base::Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return base::fail(no_sandbox(std::strerror(errno)));
  return Pipe{OpenFile(ends[0]), OpenFile(ends[1])};
}

// At its beginning, for somebody who reads it to its end.
base::Result<OpenFile> file_with(std::string_view bytes) {
  OpenFile file(::memfd_create("travertine", MFD_CLOEXEC));
  if (!file.is_open()) return base::fail(no_sandbox(std::strerror(errno)));
  while (!bytes.empty()) {
    const ssize_t size = ::write(file.number(), bytes.data(), bytes.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return base::fail(no_sandbox(std::strerror(errno)));
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  if (::lseek(file.number(), 0, SEEK_SET) != 0) return base::fail(no_sandbox(std::strerror(errno)));
  return file;
}

base::Result<pid_t> spawn(const std::filesystem::path& program, const std::array<int, 5>& files) {
  posix_spawn_file_actions_t actions;
  int error = ::posix_spawn_file_actions_init(&actions);
  if (error != 0) return base::fail(no_sandbox(std::strerror(error)));
  // First out of the way: a file may have a number that another one is to get.
  constexpr int aside = 100;
  for (int i = 0; i < static_cast<int>(files.size()) && error == 0; ++i) {
    error = ::posix_spawn_file_actions_adddup2(&actions, files[static_cast<std::size_t>(i)], aside + i);
  }
  for (int i = 0; i < static_cast<int>(files.size()) && error == 0; ++i) {
    error = ::posix_spawn_file_actions_adddup2(&actions, aside + i, i);
  }
  if (error == 0) {
    error = ::posix_spawn_file_actions_addclosefrom_np(&actions, static_cast<int>(files.size()));
  }
  pid_t child = -1;
  const std::string path = program.string();
  std::array<const char*, 3> words = {path.c_str(), "--run", nullptr};
  std::array<char*, 1> no_environment = {nullptr};
  if (error == 0) {
    error =
        ::posix_spawn(&child, path.c_str(), &actions, nullptr, const_cast<char**>(words.data()), no_environment.data());
  }
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return base::fail(no_sandbox(fmt::format("{}: {}", path, std::strerror(error))));
  return child;
}

// What comes through a pipe until its end.
struct Stream {
  OpenFile file;
  std::string_view name;
  std::size_t bytes_max;
  bool keeps_all = true;  ///< else the last of it
  std::string bytes{};
  bool is_too_long = false;

  void read_some() {
    std::array<char, 16'384> part;
    const ssize_t size = ::read(file.number(), part.data(), part.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (size <= 0) return file.close();
    bytes.append(part.data(), static_cast<std::size_t>(size));
    if (bytes.size() <= bytes_max) return;
    is_too_long = keeps_all;
    bytes.erase(0, bytes.size() - bytes_max);
  }
};

enum class Why { ended, time, stop, output };

// Until all three are at their end: nothing is left then.
Why read_all(std::array<Stream, 3>& streams, Steady::time_point deadline, const std::stop_token& stop) {
  for (;;) {
    std::array<pollfd, 3> waiting;
    bool is_any_open = false;
    for (std::size_t i = 0; i < streams.size(); ++i) {
      waiting[i] = {.fd = streams[i].file.number(), .events = POLLIN, .revents = 0};
      is_any_open = is_any_open || streams[i].file.is_open();
    }
    if (!is_any_open) return Why::ended;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Steady::now());
    if (left.count() <= 0) return Why::time;
    if (stop.stop_requested()) return Why::stop;
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(std::min(left, stop_asked_every).count())) <= 0) {
      continue;
    }
    for (std::size_t i = 0; i < streams.size(); ++i) {
      if (waiting[i].revents != 0) streams[i].read_some();
      if (streams[i].is_too_long) return Why::output;
    }
  }
}

base::Result<Ended> read_report(std::string_view report) {
  const std::string_view line = report.substr(0, report.find('\n'));
  if (line.empty()) return base::fail(no_sandbox("its process was killed"));
  if (line.front() == report_failed) return base::fail(no_sandbox(line.substr(1)));
  int status = 0;
  const auto [last, error] = std::from_chars(line.data() + 1, line.data() + line.size(), status);
  if (line.front() != report_ended || error != std::errc() || last != line.data() + line.size()) {
    return base::fail(no_sandbox("its report is not one"));
  }
  Ended ended;
  if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  ended.exit_code = ended.signal == 0 ? WEXITSTATUS(status) : 128 + ended.signal;
  return ended;
}

}  // namespace

base::Result<Ended> run(const std::filesystem::path& program, const Job& job, std::string_view input,
                        const Patience& patience, const std::stop_token& stop) {
  TRV_EXPECTS(program.is_absolute() && patience.time.count() > 0 && patience.output_bytes_max > 0);
  TRV_TRY(check(job));
  TRV_TRY_ASSIGN(OpenFile job_at, file_with(encode(job)));
  TRV_TRY_ASSIGN(OpenFile input_at, file_with(input));
  TRV_TRY_ASSIGN(Pipe output, make_pipe());
  TRV_TRY_ASSIGN(Pipe errors, make_pipe());
  TRV_TRY_ASSIGN(Pipe report, make_pipe());
  const Steady::time_point deadline = Steady::now() + patience.time;
  TRV_TRY_ASSIGN(const pid_t child, spawn(program, {input_at.number(), output.write.number(), errors.write.number(),
                                                    job_at.number(), report.write.number()}));
  for (Pipe* pipe : {&output, &errors, &report}) pipe->write.close();
  std::array<Stream, 3> streams = {
      Stream{std::move(output.read), "standard output", patience.output_bytes_max, patience.keeps_whole_output},
      Stream{std::move(errors.read), "standard error", patience.output_bytes_max, patience.keeps_whole_errors},
      Stream{std::move(report.read), "its report", report_bytes_max}};
  const Why why = read_all(streams, deadline, stop);
  if (why != Why::ended) ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0) TRV_ASSERT(errno == EINTR);
  switch (why) {
    case Why::time:
      return base::fail(ErrorCode::timeout,
                        fmt::format("the process did not end within {} ms and was killed", patience.time.count()));
    case Why::stop:
      return base::fail(ErrorCode::cancelled, "the process was killed: its call was cancelled, or travd stops");
    case Why::output:
      return base::fail(
          ErrorCode::too_large,
          fmt::format("the process wrote more than {} bytes to {} and was killed", patience.output_bytes_max,
                      std::ranges::find(streams, true, &Stream::is_too_long)->name));
    case Why::ended: break;
  }
  TRV_TRY_ASSIGN(Ended ended, read_report(streams[2].bytes));
  ended.output = std::move(streams[0].bytes);
  ended.errors = std::move(streams[1].bytes);
  return ended;
}

}  // namespace trv::sandbox
