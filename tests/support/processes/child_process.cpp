#include "tests/support/processes/child_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

namespace trv::processes {
namespace {

using Clock = std::chrono::steady_clock;

int milliseconds_to(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return left < 0 ? 0 : static_cast<int>(left);
}

}  // namespace

base::Result<ChildProcess> ChildProcess::start(const std::filesystem::path& program,
                                               const std::vector<std::string>& arguments) {
  const auto failed = [&program](const char* what) {
    return base::fail(base::ErrorCode::unavailable, fmt::format("{}: {}: {}", program.string(), what, strerror(errno)));
  };
  const std::string path = program.string();
  std::vector<char*> words = {const_cast<char*>(path.c_str())};
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  int output[2];
  if (::pipe2(output, O_CLOEXEC) != 0) return failed("pipe");
  const pid_t id = ::fork();
  if (id < 0) {
    ::close(output[0]);
    ::close(output[1]);
    return failed("fork");
  }
  if (id == 0) {
    ::dup2(output[1], STDOUT_FILENO);
    ::execv(path.c_str(), words.data());
    ::_exit(127);
  }
  ::close(output[1]);
  return ChildProcess(id, output[0]);
}

ChildProcess::~ChildProcess() {
  end();
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : id_(std::exchange(other.id_, -1)), output_(std::exchange(other.output_, -1)), text_(std::move(other.text_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  end();
  id_ = std::exchange(other.id_, -1);
  output_ = std::exchange(other.output_, -1);
  text_ = std::move(other.text_);
  return *this;
}

void ChildProcess::end() noexcept {
  if (id_ >= 0) {
    ::kill(id_, SIGKILL);
    ::waitpid(id_, nullptr, 0);
    id_ = -1;
  }
  if (output_ >= 0) ::close(output_);
  output_ = -1;
}

std::optional<std::string> ChildProcess::line(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    if (const std::size_t end = text_.find('\n'); end != std::string::npos) {
      std::string found = text_.substr(0, end);
      text_.erase(0, end + 1);
      return found;
    }
    pollfd readable = {.fd = output_, .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, milliseconds_to(deadline)) <= 0) return std::nullopt;
    char buffer[4096];
    const ssize_t count = ::read(output_, buffer, sizeof buffer);
    if (count <= 0) return std::nullopt;
    text_.append(buffer, static_cast<std::size_t>(count));
  }
}

void ChildProcess::signal(int number) const {
  if (id_ >= 0) ::kill(id_, number);
}

std::optional<int> ChildProcess::wait(std::chrono::milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  while (id_ >= 0) {
    int status = 0;
    if (::waitpid(id_, &status, WNOHANG) == id_) {
      id_ = -1;
      return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    if (Clock::now() >= deadline) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return std::nullopt;
}

}  // namespace trv::processes
