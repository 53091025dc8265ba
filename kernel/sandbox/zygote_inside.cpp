#include "kernel/sandbox/zygote_inside.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "kernel/sandbox/walls.hpp"
#include "kernel/sandbox/zygote_word.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::sandbox {
namespace {

using base::OpenFile;

constexpr std::uint64_t files_bytes = std::uint64_t{1} << 20;  // of the file system in memory, which nothing writes
constexpr int quiet_ms = 5;

struct Child {
  pid_t pid = 0;
  OpenFile socket;
  OpenFile process;
};

ZygoteWord word_of(ZygoteWord::Kind kind, std::int32_t pid, std::int32_t number, std::string_view text = {}) {
  ZygoteWord word{.kind = kind, .pid = pid, .number = number};
  std::ranges::copy(text.substr(0, word.text.size() - 1), word.text.begin());
  return word;
}

std::string with_reason(std::string_view problem) {
  return errno == 0 ? std::string(problem) : fmt::format("{}: {}", problem, std::strerror(errno));
}

class Zygote {
 public:
  Zygote(const ZygoteOptions& options, void (*live)(const Room&)) : options_(options), live_(live) {}

  [[noreturn]] void run() {
    prepare();
    tell_walls();
    for (;;) {
      std::array<pollfd, 2> waiting{{{control_file, POLLIN, 0}, {signals_.number(), POLLIN, 0}}};
      const int count = ::poll(waiting.data(), waiting.size(), refills_after_ms());
      if (count < 0 && errno != EINTR) ::_exit(1);
      if (count == 0) refill();
      if (waiting[1].revents != 0) reap();
      if (waiting[0].revents != 0) hear();
    }
  }

 private:
  void prepare() {
    sigset_t children;
    ::sigemptyset(&children);
    ::sigaddset(&children, SIGCHLD);
    const bool is_marked = !options_.hears_refused || ::fcntl(refused_file, F_SETFD, FD_CLOEXEC) == 0;
    const bool done = is_marked && ::fcntl(control_file, F_SETFD, FD_CLOEXEC) == 0 &&
                      ::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && ::sigprocmask(SIG_BLOCK, &children, nullptr) == 0;
    signals_ = OpenFile(::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
    folder_ = OpenFile(::open(options_.folder, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!done || !signals_.is_open() || !folder_.is_open()) problem_ = with_reason("the zygote cannot begin");
    shown_ = reachable_by_all(options_.folder);
    if (shown_ == nullptr) problem_ = with_reason("the folder of the libraries cannot be shown");
    if (const std::string_view problem = leave_root(); !problem.empty()) problem_ = with_reason(problem);
  }

  // The first process shows which walls this host has.
  void tell_walls() {
    if (problem_.empty()) refill();
    const std::string why = has_namespaces_ ? problem_ : no_namespaces_;
    say(word_of(ZygoteWord::Kind::walls, 0, landlock_version(), why), {});
  }

  // Below 0: not at all. Who has just got a process needs the processor; half of the ready ones are for those who ask
  // meanwhile.
  [[nodiscard]] int refills_after_ms() const {
    if (ready_.size() >= options_.ready_count || !problem_.empty()) return -1;
    return ready_.size() * 2 < options_.ready_count ? 0 : quiet_ms;
  }

  void refill() {
    std::optional<Child> child = make(has_namespaces_);
    if (!child && has_namespaces_ && !options_.needs_namespaces) {
      has_namespaces_ = false;
      no_namespaces_ = std::exchange(problem_, {});
      child = make(false);
    }
    if (child) ready_.push_back(std::move(*child));
  }

  // Its parent ends at once, so that it is the first process of its namespace and a child of the zygote.
  std::optional<Child> make(bool with_namespaces) {
    errno = 0;
    int ends[2];
    int report[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return no_child("no socket");
    OpenFile ours(ends[0]);
    OpenFile theirs(ends[1]);
    if (::pipe2(report, O_CLOEXEC) != 0) return no_child("no pipe");
    OpenFile hear(report[0]);
    OpenFile say(report[1]);
    const pid_t parent = ::fork();
    if (parent < 0) return no_child("no process");
    if (parent == 0) begin(with_namespaces, theirs.number(), say.number());
    say.close();
    theirs.close();
    Child child{.pid = 0, .socket = std::move(ours), .process = {}};
    std::string problem = "its process was killed";
    for (ZygoteWord word; ::read(hear.number(), &word, sizeof word) == static_cast<ssize_t>(sizeof word);) {
      if (word.kind == ZygoteWord::Kind::child) child.pid = word.pid;
      if (word.kind != ZygoteWord::Kind::child) problem = word.text.data();
    }
    while (::waitpid(parent, nullptr, 0) < 0 && errno == EINTR) {
    }
    errno = 0;
    if (child.pid <= 0 || !problem.empty()) return no_child(problem);
    child.process = OpenFile(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
    if (!child.process.is_open()) return no_child("its process");
    return child;
  }

  std::nullopt_t no_child(std::string_view why) {
    problem_ = with_reason(why);
    return std::nullopt;
  }

  [[noreturn]] void begin(bool with_namespaces, int socket, int report) {
    const auto tell = [report](const ZygoteWord& word) {
      if (::write(report, &word, sizeof word) != static_cast<ssize_t>(sizeof word)) ::_exit(1);
    };
    const auto must = [&](std::string_view problem) {
      if (problem.empty()) return;
      tell(word_of(ZygoteWord::Kind::failed, 0, 0, with_reason(problem)));
      ::_exit(1);
    };
    if (with_namespaces) must(enter_namespaces());
    const pid_t child = ::fork();
    must(child < 0 ? "no process" : "");
    if (child > 0) {
      tell(word_of(ZygoteWord::Kind::child, child, 0));
      ::_exit(0);
    }
    if (with_namespaces) must(change_root(files_bytes, shown_));
    // Standard input and output lead nowhere; 3 is the socket, 4 the report, 5 the folder where it is needed, 6 where
    // refused calls are written where somebody looks.
    sigset_t none;
    ::sigemptyset(&none);
    const bool placed = ::sigprocmask(SIG_SETMASK, &none, nullptr) == 0 && place(socket, report);
    must(placed ? "" : "its files");
    tell_from_place();
    const Room room{.socket = 3,
                    .folder = with_namespaces ? -1 : 5,
                    .has_namespaces = with_namespaces,
                    .while_loading = &while_loading_,
                    .once_loaded = &once_loaded_,
                    .refused = options_.hears_refused ? 6 : -1};
    if (with_namespaces) ::close(5);
    live_(room);
    ::_exit(1);
  }

  // Through numbers that are free in any case.
  [[nodiscard]] bool place(int socket, int report) const {
    constexpr int aside = 100;
    const std::array<int, 4> given = {socket, report, folder_.number(), refused_file};
    const int count = options_.hears_refused ? 4 : 3;
    for (int i = 0; i < count; ++i) {
      if (::dup2(given[static_cast<std::size_t>(i)], aside + i) < 0) return false;
    }
    for (int i = 0; i < count; ++i) {
      if (::dup2(aside + i, 3 + i) < 0) return false;
    }
    return ::syscall(SYS_close_range, 3U + static_cast<unsigned>(count), ~0U, 0U) == 0;
  }

  // No word of failure: it has come so far.
  static void tell_from_place() {
    const ZygoteWord word = word_of(ZygoteWord::Kind::walls, 0, 0);
    if (::write(4, &word, sizeof word) != static_cast<ssize_t>(sizeof word)) ::_exit(1);
    ::close(4);
  }

  static int landlock_version() {
    constexpr unsigned version_flag = 1;
    const auto version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, version_flag);
    return version > 0 ? static_cast<int>(version) : 0;
  }

  void reap() {
    signalfd_siginfo ignored[16];
    while (::read(signals_.number(), ignored, sizeof ignored) > 0) {
    }
    for (int status = 0;;) {
      const pid_t pid = ::waitpid(-1, &status, WNOHANG);
      if (pid <= 0) return;
      const std::size_t gone = std::erase_if(ready_, [pid](const Child& child) { return child.pid == pid; });
      if (gone == 0) say(word_of(ZygoteWord::Kind::ended, pid, status), {});
    }
  }

  void hear() {
    char asked = 0;
    const ssize_t size = ::recv(control_file, &asked, 1, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size != 1 || asked != ask_for_child) ::_exit(0);
    if (ready_.empty()) problem_.clear();
    if (ready_.empty()) refill();
    if (ready_.empty()) return say(word_of(ZygoteWord::Kind::failed, 0, 0, problem_), {});
    const Child child = std::move(ready_.front());
    ready_.pop_front();
    say(word_of(ZygoteWord::Kind::child, child.pid, 0), {child.socket.number(), child.process.number()});
  }

  void say(const ZygoteWord& word, const std::vector<int>& files) {
    iovec part{.iov_base = const_cast<ZygoteWord*>(&word), .iov_len = sizeof word};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> space{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!files.empty()) {
      message.msg_control = space.data();
      message.msg_controllen = CMSG_SPACE(files.size() * sizeof(int));
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(files.size() * sizeof(int));
      std::memcpy(CMSG_DATA(header), files.data(), files.size() * sizeof(int));
    }
    while (::sendmsg(control_file, &message, MSG_NOSIGNAL) < 0) {
      if (errno != EINTR) ::_exit(0);
    }
  }

  const ZygoteOptions options_;
  void (*const live_)(const Room&);
  const SystemCallFilter while_loading_{SystemCalls::of_libraries};
  const SystemCallFilter once_loaded_{SystemCalls::of_loaded};
  OpenFile signals_;
  OpenFile folder_;
  const char* shown_ = nullptr;  ///< the folder, where every user finds it
  bool has_namespaces_ = true;
  std::string no_namespaces_;
  std::string problem_;  ///< why there is no process
  std::deque<Child> ready_;
};

}  // namespace

void run_zygote(const ZygoteOptions& options, void (*live)(const Room& room)) {
  Zygote(options, live).run();
}

}  // namespace trv::sandbox
