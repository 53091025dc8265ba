#include "installer/steps/supervise.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "installer/release/document.hpp"
#include "installer/steps/sockets.hpp"
#include "kernel/json/serialize.hpp"
#include "sdk/base/file.hpp"

namespace trv::steps {
namespace {

using base::ErrorCode;
using base::OpenFile;
using base::Status;
using std::filesystem::path;

constexpr int first_socket = 3;
constexpr auto patience = std::chrono::seconds(30);  // until a travd that was asked to end is killed
constexpr auto pause_min = std::chrono::milliseconds(100);
constexpr auto pause_max = std::chrono::seconds(5);

class Supervision {
 public:
  Supervision(const Places& places, const base::Clock& clock, OpenFile socket, std::string user)
      : places_(places), clock_(clock), socket_(std::move(socket)), user_(std::move(user)) {}

  Status run() {
    TRV_TRY(prepare());
    start();
    for (;;) {
      std::array<pollfd, 2> waiting{{{signals_.number(), POLLIN, 0}, {notes_.number(), POLLIN, 0}}};
      const int count = ::poll(waiting.data(), waiting.size(), waits_ms());
      if (count < 0 && errno != EINTR)
        return base::fail(ErrorCode::unavailable, fmt::format("poll: {}", std::strerror(errno)));
      if (count > 0 && waiting[1].revents != 0) hear();
      if (count > 0 && waiting[0].revents != 0 && !take_signals()) return end();
      look_at_time();
    }
  }

 private:
  Status prepare() {
    sigset_t signals;
    ::sigemptyset(&signals);
    for (const int number : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals, number);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    signals_ = OpenFile(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    notes_ = OpenFile(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un place{};
    place.sun_family = AF_UNIX;
    notify_ = (run_folder(places_) / "notify").string();
    if (notify_.size() >= sizeof place.sun_path)
      return base::fail(ErrorCode::invalid, notify_ + " is too long a name for a socket");
    std::ranges::copy(notify_, place.sun_path);
    ::unlink(notify_.c_str());
    if (!signals_.is_open() || ::bind(notes_.number(), reinterpret_cast<const sockaddr*>(&place), sizeof place) != 0 ||
        ::chmod(notify_.c_str(), 0666) != 0) {
      return base::fail(ErrorCode::unavailable, fmt::format("{}: {}", notify_, std::strerror(errno)));
    }
    return {};
  }

  [[nodiscard]] int waits_ms() const {
    if (!due_) return -1;
    return static_cast<int>(std::clamp<std::int64_t>((*due_ - clock_.monotonic()).count() / 1'000'000 + 1, 0, 60'000));
  }

  void look_at_time() {
    if (!due_ || clock_.monotonic() < *due_) return;
    due_.reset();
    // A successor that does not come so far is given up, and not the one that answers.
    if (next_ > 0 && !is_asked_) return static_cast<void>(::kill(next_, SIGKILL));
    if (child_ > 0) ::kill(child_, SIGKILL);
    if (child_ == 0) start();
  }

  void start() {
    is_ready_ = false;
    child_ = spawn(version_, false);
    if (child_ < 0) ended(-1);
    say();
  }

  /// travd of the current version, whose name it gives.
  pid_t spawn(std::string& version, bool takes_over) {
    version = Installation(places_, changes_).current();
    const std::string program = (places_.version(version) / "bin/travd").string();
    const std::string file = places_.configuration_file().string();
    const pid_t child = ::fork();
    if (child == 0) become(program, file, takes_over);
    return child;
  }

  [[noreturn]] void become(const std::string& program, const std::string& file, bool takes_over) {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    const passwd* user = user_.empty() ? nullptr : ::getpwnam(user_.c_str());
    const bool changed = user_.empty() || (user != nullptr && ::initgroups(user->pw_name, user->pw_gid) == 0 &&
                                           ::setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0 &&
                                           ::setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0);
    // The signal of a parent's end is forgotten with the user.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (!changed || ::dup2(socket_.number(), first_socket) != first_socket) ::_exit(126);
    if (socket_.number() == first_socket) ::fcntl(first_socket, F_SETFD, 0);
    ::setenv("LISTEN_FDS", "1", 1);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("NOTIFY_SOCKET", notify_.c_str(), 1);
    // As under systemd, the operator's token goes to a file and not to the log.
    ::setenv("INVOCATION_ID", "travertine", 1);
    ::execl(program.c_str(), program.c_str(), "--config", file.c_str(), takes_over ? "--take-over" : nullptr, nullptr);
    ::_exit(127);
  }

  void hear() {
    std::array<char, 4096> text{};
    for (ssize_t size; (size = ::recv(notes_.number(), text.data(), text.size(), 0)) > 0;) {
      const std::string_view note(text.data(), static_cast<std::size_t>(size));
      if (next_ > 0 && !is_asked_ && note.find("STATUS=waits") != std::string_view::npos) hand_over();
      if (note.find("READY=1") == std::string_view::npos) continue;
      // It may be heard before the end of the one before is.
      (next_ > 0 ? next_is_ready_ : is_ready_) = true;
      pause_ = pause_min;
      say();
    }
  }

  /// False where this is the end.
  bool take_signals() {
    bool goes_on = true;
    for (signalfd_siginfo info; ::read(signals_.number(), &info, sizeof info) == static_cast<ssize_t>(sizeof info);) {
      if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) goes_on = false;
      if (info.ssi_signo == SIGHUP) restart();
    }
    for (int status = 0;;) {
      const pid_t pid = ::waitpid(-1, &status, WNOHANG);
      if (pid <= 0) break;
      if (pid == next_) {
        refused();
      } else if (pid == child_) {
        ended(status);
      }
    }
    return goes_on;
  }

  // The successor does all that it can while the one that runs still answers.
  void restart() {
    refused_.clear();
    due_.reset();
    if (child_ == 0) return start();
    if (next_ > 0) return;
    next_is_ready_ = false;
    next_ = std::max(spawn(next_version_, true), 0);
    due_ = clock_.monotonic() + patience;
  }

  void hand_over() {
    is_asked_ = true;
    due_ = clock_.monotonic() + patience;
    ::kill(child_, SIGTERM);
  }

  void refused() {
    next_ = 0;
    // Where the one that runs was asked to end already, its end begins what is current then.
    if (!is_asked_) due_.reset();
    refused_ = next_version_;
    fmt::print(stderr, "trav-installer: travd {} ended before it could take over; {} goes on\n", next_version_,
               version_);
    say();
  }

  void ended(int status) {
    child_ = 0;
    due_.reset();
    is_asked_ = false;
    if (next_ > 0) {
      // It waits for the folder, and has it from now on, whatever the one before ended of.
      child_ = std::exchange(next_, 0);
      version_ = next_version_;
      is_ready_ = std::exchange(next_is_ready_, false);
      return say();
    }
    fmt::print(stderr, "trav-installer: travd {} ended ({}); it is started again in {} ms\n", version_,
               WIFSIGNALED(status) ? fmt::format("signal {}", WTERMSIG(status))
                                   : fmt::format("exit code {}", WEXITSTATUS(status)),
               pause_ / std::chrono::milliseconds(1));
    due_ = clock_.monotonic() + pause_;
    pause_ = std::min<base::Duration>(pause_ * 2, pause_max);
    say();
  }

  Status end() {
    if (next_ > 0) ::kill(next_, SIGTERM);
    if (child_ > 0) ::kill(child_, SIGTERM);
    const base::Duration until = clock_.monotonic() + patience;
    while (child_ > 0) {
      const pid_t pid = ::waitpid(child_, nullptr, WNOHANG);
      if (pid == child_ || (pid < 0 && errno != EINTR)) break;
      if (clock_.monotonic() > until) ::kill(child_, SIGKILL);
      wait_a_while(std::chrono::milliseconds(5));
    }
    std::error_code ignored;
    std::filesystem::remove(run_folder(places_) / "state.json", ignored);
    ::unlink(notify_.c_str());
    return {};
  }

  void say() {
    const json::Value value{{"process", std::int64_t{std::max(child_, 0)}},
                            {"version", version_},
                            {"is_ready", is_ready_},
                            {"refused", refused_}};
    // In memory: what it says is over with the host.
    static_cast<void>(base::write_file(run_folder(places_) / "state.json", ".state.new",
                                       base::as_bytes(json::serialize(value)), 0644, base::Sync::later));
  }

  const Places& places_;
  const base::Clock& clock_;
  OpenFile socket_;
  const std::string user_;
  HostChanges changes_;
  OpenFile signals_;
  OpenFile notes_;
  std::string notify_;
  std::string version_;
  std::string next_version_;
  std::string refused_;
  pid_t child_ = 0;
  pid_t next_ = 0;  ///< the successor, until the child has ended
  bool is_ready_ = false;
  bool next_is_ready_ = false;
  bool is_asked_ = false;              ///< to end
  std::optional<base::Duration> due_;  ///< when a child is killed, or the next one begins
  base::Duration pause_ = pause_min;
};

}  // namespace

path run_folder(const Places& places) {
  return places.root / "run/travertine";
}

std::optional<Running> running(const Places& places) {
  const OpenFile lock(::open((run_folder(places) / "supervisor.pid").c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock.is_open() || ::flock(lock.number(), LOCK_SH | LOCK_NB) == 0) return std::nullopt;
  std::array<char, 16> text{};
  Running out;
  if (::read(lock.number(), text.data(), text.size() - 1) > 0) out.supervisor = std::atoi(text.data());
  const auto state = base::read_file(run_folder(places) / "state.json", 10'000);
  const auto value =
      state ? release::parse_document(base::as_text(*state), "state.json") : base::Result<json::Value>(json::Value());
  if (value) {
    out.process = static_cast<int>(release::number_at(*value, "process").value_or(0));
    out.version = release::text_at(*value, "version");
    out.refused = release::text_at(*value, "refused");
    const json::Value* ready = value->find("is_ready");
    out.is_ready = ready != nullptr && ready->is_truthy();
  }
  return out;
}

Status supervise(const Places& places, const config::Config& config, const std::string& user,
                 const base::Clock& clock) {
  HostChanges changes;
  TRV_TRY(changes.make_folder(run_folder(places), 0755));
  const path file = run_folder(places) / "supervisor.pid";
  const OpenFile lock(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock.is_open() || ::flock(lock.number(), LOCK_EX | LOCK_NB) != 0) {
    return base::fail(ErrorCode::conflict, fmt::format("travd is supervised already ({})", file.string()));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.number(), 0) != 0 ||
      ::pwrite(lock.number(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return base::fail(ErrorCode::unavailable, fmt::format("{}: {}", file.string(), std::strerror(errno)));
  }
  TRV_TRY_ASSIGN(OpenFile socket, listening_socket(config.http_address, static_cast<std::uint16_t>(config.http_port)));
  return Supervision(places, clock, std::move(socket), user).run();
}

}  // namespace trv::steps
