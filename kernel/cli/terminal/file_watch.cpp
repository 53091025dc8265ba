#include "kernel/cli/terminal/file_watch.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::cli {
namespace {

constexpr int look_ms = 200;

}  // namespace

base::Result<FileWatch> FileWatch::start(const std::vector<std::string>& files) {
  sigset_t ends;
  sigset_t before;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  if (pthread_sigmask(SIG_BLOCK, &ends, &before) != 0) {
    return base::fail(base::ErrorCode::unavailable, "signals cannot be held back");
  }
  const int signals = ::signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) {
    const std::string reason = std::system_category().message(errno);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return base::fail(base::ErrorCode::unavailable, "files cannot be watched: " + reason);
  }
  return FileWatch(files, signals, before);
}

FileWatch::FileWatch(const std::vector<std::string>& files, int signals, const sigset_t& before)
    : signals_(signals), before_(before) {
  for (const std::string& file : files) watched_.push_back({.file = file, .stamp = stamp_of(file)});
}

FileWatch::FileWatch(FileWatch&& other) noexcept
    : watched_(std::move(other.watched_)), signals_(std::exchange(other.signals_, -1)), before_(other.before_) {}

FileWatch::~FileWatch() {
  if (signals_ < 0) return;
  // What ended the waiting has been answered; left pending it would end the program.
  signalfd_siginfo taken;
  while (::read(signals_, &taken, sizeof taken) == static_cast<ssize_t>(sizeof taken)) {
  }
  ::close(signals_);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

std::optional<FileWatch::Stamp> FileWatch::stamp_of(const std::string& file) {
  struct stat found{};
  if (::stat(file.c_str(), &found) != 0) return std::nullopt;
  return Stamp{.inode = found.st_ino, .bytes = found.st_size, .modified = found.st_mtim};
}

bool FileWatch::look() {
  bool changed = false;
  for (Watched& watched : watched_) {
    std::optional<Stamp> stamp = stamp_of(watched.file);
    changed = changed || stamp != watched.stamp;
    watched.stamp = stamp;
  }
  return changed;
}

WatchEnd FileWatch::wait() {
  TRV_EXPECTS(signals_ >= 0);
  bool changed = false;
  while (true) {
    std::array<pollfd, 2> seen = {pollfd{.fd = signals_, .events = POLLIN, .revents = 0},
                                  pollfd{.fd = STDOUT_FILENO, .events = 0, .revents = 0}};
    const int count = ::poll(seen.data(), seen.size(), look_ms);
    if (count > 0 && seen[0].revents != 0) return WatchEnd::interrupted;
    if (count > 0 && (seen[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return WatchEnd::interrupted;
    // A file is often written in several steps: it is read once it is quiet.
    const bool changes = look();
    if (changed && !changes) return WatchEnd::changed;
    changed = changed || changes;
  }
}

}  // namespace trv::cli
