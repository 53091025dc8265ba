#include "sdk/conformance/suite/apart.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "sdk/base/contract.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::conformance::suite {
namespace {

/// What child and parent both see. The child may end at any point, so the texts have no lengths beside them.
struct Shared {
  std::array<char, 501> doing;  ///< ends with a zero
  bool is_done;
};

class SharedMemory {
 public:
  SharedMemory() : shared_(::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    TRV_ENSURES(shared_ != MAP_FAILED);
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() { ::munmap(shared_, sizeof(Shared)); }

  Shared* operator->() const { return static_cast<Shared*>(shared_); }

 private:
  void* const shared_;
};

std::string errno_text() {
  return std::strerror(errno);
}

void write_whole(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) std::abort();  // the parent says so
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::string read_whole(int file) {
  std::string bytes;
  std::array<char, 65'536> part;
  for (;;) {
    const ssize_t got = ::pread(file, part.data(), part.size(), static_cast<off_t>(bytes.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return bytes;
    bytes.append(part.data(), static_cast<std::size_t>(got));
  }
}

/// Whether it ended by itself.
bool wait_for(pid_t child, std::chrono::milliseconds limit) {
  const base::OpenFile process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  if (!process.is_open()) return true;  // waitpid says the rest
  pollfd ended = {.fd = process.number(), .events = POLLIN, .revents = 0};
  int ready = 0;
  while ((ready = ::poll(&ended, 1, static_cast<int>(limit.count()))) < 0 && errno == EINTR) {
  }
  if (ready != 0) return true;
  ::kill(child, SIGKILL);
  return false;
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("crashed with signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return fmt::format("the process ended with exit code {}", WEXITSTATUS(status));
}

}  // namespace

ApartOutcome run_apart(const std::function<std::string(const Doing&)>& work, std::chrono::milliseconds limit) {
  TRV_EXPECTS(limit.count() > 0);
  const SharedMemory shared;
  const base::OpenFile output(::memfd_create("apart", MFD_CLOEXEC));
  if (!output.is_open()) return {.trouble = "no memory for the output: " + errno_text()};
  const pid_t child = ::fork();
  if (child < 0) return {.trouble = "no process: " + errno_text()};
  if (child == 0) {
    const Doing doing = [&shared](std::string_view what) {
      const std::size_t size = std::min(what.size(), shared->doing.size() - 1);
      std::copy_n(what.data(), size, shared->doing.data());
      shared->doing.at(size) = '\0';
    };
    write_whole(output.number(), work(doing));
    doing("the end of the process");
    shared->is_done = true;
    std::exit(0);
  }
  const bool ended_by_itself = wait_for(child, limit);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ApartOutcome outcome;
  if (!ended_by_itself) {
    outcome.trouble = fmt::format("did not end within {} s", static_cast<double>(limit.count()) / 1'000);
  } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    outcome.trouble = how_it_ended(status);
  } else if (!shared->is_done) {
    outcome.trouble = "the process ended before it was done";
  }
  if (!outcome.trouble.empty() && shared->doing[0] != '\0')
    outcome.trouble = fmt::format("{}: {}", shared->doing.data(), outcome.trouble);
  if (shared->is_done) outcome.output = read_whole(output.number());
  return outcome;
}

}  // namespace trv::conformance::suite
