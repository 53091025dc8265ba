#include "kernel/sandbox/zygote.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sdk/base/contract.hpp"

namespace trv::sandbox {
namespace {

using base::ErrorCode;
using base::OpenFile;

base::Error gone(std::string_view why) {
  return {ErrorCode::unavailable, fmt::format("the zygote, which starts the processes of plugins, {}", why)};
}

base::Result<pid_t> spawn(const ZygoteConfiguration& configuration, int control) {
  const std::string program = configuration.program.string();
  const std::string folder = configuration.folder.string();
  const std::string ready = std::to_string(configuration.ready_count);
  const bool hears = configuration.refused >= 0;
  std::array<const char*, 7> words = {
      program.c_str(),   "--zygote", folder.c_str(), ready.c_str(), configuration.needs_namespaces ? "1" : "0",
      hears ? "1" : "0", nullptr};
  std::array<char*, 1> no_environment = {nullptr};
  posix_spawn_file_actions_t files;
  int error = ::posix_spawn_file_actions_init(&files);
  if (error != 0) return base::fail(gone(std::strerror(error)));
  error = ::posix_spawn_file_actions_adddup2(&files, control, control_file);
  if (error == 0 && hears) error = ::posix_spawn_file_actions_adddup2(&files, configuration.refused, refused_file);
  if (error == 0) error = ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (error == 0) error = ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  if (error == 0) error = ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  if (error == 0) error = ::posix_spawn_file_actions_addclosefrom_np(&files, (hears ? refused_file : control_file) + 1);
  pid_t child = -1;
  if (error == 0) {
    error = ::posix_spawn(&child, program.c_str(), &files, nullptr, const_cast<char**>(words.data()),
                          no_environment.data());
  }
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) return base::fail(gone(fmt::format("cannot be started: {}: {}", program, std::strerror(error))));
  return child;
}

}  // namespace

base::Result<std::unique_ptr<Zygote>> Zygote::start(const ZygoteConfiguration& configuration) {
  if (!configuration.service.empty()) return connect(configuration.service);
  TRV_EXPECTS(configuration.program.is_absolute() && configuration.folder.is_absolute());
  TRV_EXPECTS(configuration.refused < 0 || configuration.refused > refused_file);
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return base::fail(gone(fmt::format("has no socket: {}", std::strerror(errno))));
  }
  OpenFile ours(ends[0]);
  // Not a number that the child's actions give to another file first.
  OpenFile theirs(::fcntl(ends[1], F_DUPFD_CLOEXEC, refused_file + 1));
  ::close(ends[1]);
  if (!theirs.is_open()) return base::fail(gone(fmt::format("has no socket: {}", std::strerror(errno))));
  TRV_TRY_ASSIGN(const pid_t pid, spawn(configuration, theirs.number()));
  theirs.close();  // else nobody hears that it ended
  std::unique_ptr<Zygote> zygote(new Zygote(pid, std::move(ours)));
  TRV_TRY(zygote->hear_walls());
  return zygote;
}

base::Result<std::unique_ptr<Zygote>> Zygote::connect(const std::filesystem::path& service) {
  const std::string path = service.string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return base::fail(gone(fmt::format("has too long a path: {}", path)));
  std::memcpy(address.sun_path, path.data(), path.size());
  OpenFile ours(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  // A zygote that does not answer holds nobody up for good.
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  if (!ours.is_open() || ::setsockopt(ours.number(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
      ::connect(ours.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return base::fail(
        gone(fmt::format("is not reached at {}: {}; start the service that listens there "
                         "(travertine-zygote.socket), or leave plugins.zygote_socket empty",
                         path, std::strerror(errno))));
  }
  std::unique_ptr<Zygote> zygote(new Zygote(-1, std::move(ours)));
  TRV_TRY(zygote->hear_walls());
  return zygote;
}

base::Status Zygote::hear_walls() {
  TRV_TRY_ASSIGN(const std::optional<Heard> first, receive(true));
  if (!first || first->word.kind != ZygoteWord::Kind::walls) return base::fail(gone("says nothing of its walls"));
  walls_ = {.no_namespaces = first->word.text.data(), .landlock_version = first->word.number};
  return {};
}

Zygote::~Zygote() {
  control_.close();
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

base::Status Zygote::ask() {
  while (::send(control_.number(), &ask_for_child, 1, MSG_NOSIGNAL) != 1) {
    if (errno != EINTR) return base::fail(gone(fmt::format("has ended: {}", std::strerror(errno))));
  }
  return {};
}

base::Result<std::optional<Zygote::Heard>> Zygote::receive(bool waits) {
  Heard heard;
  iovec part{.iov_base = &heard.word, .iov_len = sizeof heard.word};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> space{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = space.data();
  message.msg_controllen = space.size();
  ssize_t size = 0;
  do {
    size = ::recvmsg(control_.number(), &message, MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT));
  } while (size < 0 && errno == EINTR);
  if (size < 0 && errno == EAGAIN) return std::nullopt;
  if (size != static_cast<ssize_t>(sizeof heard.word)) return base::fail(gone("has ended"));
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message);
      header != nullptr && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(2 * sizeof(int))) {
    std::array<int, 2> files{};
    std::memcpy(files.data(), CMSG_DATA(header), sizeof files);
    heard.socket = OpenFile(files[0]);
    heard.process = OpenFile(files[1]);
  }
  return std::optional(std::move(heard));
}

base::Result<std::optional<ZygoteNews>> Zygote::hear() {
  TRV_TRY_ASSIGN(std::optional<Heard> heard, receive(false));
  if (!heard) return std::nullopt;
  const ZygoteWord& word = heard->word;
  switch (word.kind) {
    case ZygoteWord::Kind::child:
      if (!heard->process.is_open()) return ZygoteNews(NoProcess{"it came without its files: travd has too many open"});
      return ZygoteNews(
          SandboxedProcess{.pid = word.pid, .socket = std::move(heard->socket), .process = std::move(heard->process)});
    case ZygoteWord::Kind::failed: return ZygoteNews(NoProcess{word.text.data()});
    case ZygoteWord::Kind::ended: return ZygoteNews(ProcessEnded{.pid = word.pid, .wait_status = word.number});
    case ZygoteWord::Kind::walls: break;
  }
  return base::fail(gone("says what it should not"));
}

}  // namespace trv::sandbox
