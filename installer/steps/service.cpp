#include "installer/steps/service.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "installer/steps/sockets.hpp"
#include "installer/steps/supervise.hpp"
#include "installer/steps/systemd.hpp"

namespace trv::steps {
namespace {

using base::ErrorCode;
using base::Status;

constexpr auto glance = std::chrono::milliseconds(5);

class SupervisedService final : public Service {
 public:
  SupervisedService(const Places& places, const config::Config& config, Changes& changes, std::string user,
                    const base::Clock& clock)
      : places_(places), config_(config), changes_(changes), user_(std::move(user)), clock_(clock) {}

  Status start() override {
    if (is_running()) return restart();
    TRV_TRY(changes_.make_folder(places_.log(), 0755));
    const std::string program = (places_.current() / "bin/trav-installer").string();
    const std::string log = (places_.log() / "travd.log").string();
    const pid_t child = ::fork();
    if (child < 0) return base::fail(ErrorCode::unavailable, fmt::format("{}: {}", program, std::strerror(errno)));
    if (child == 0) become(program, log);
    return {};
  }
  Status restart() override {
    const auto now = running(places_);
    if (!now) return start();
    before_ = now->process;
    if (::kill(now->supervisor, SIGHUP) == 0) return {};
    return base::fail(ErrorCode::unavailable,
                      fmt::format("the supervisor {}: {}", now->supervisor, std::strerror(errno)));
  }
  Status stop() override {
    const auto now = running(places_);
    if (!now) return {};
    if (::kill(now->supervisor, SIGTERM) != 0 && errno != ESRCH) {
      return base::fail(ErrorCode::unavailable,
                        fmt::format("the supervisor {}: {}", now->supervisor, std::strerror(errno)));
    }
    const base::Duration until = clock_.monotonic() + std::chrono::seconds(40);
    while (running(places_)) {
      if (clock_.monotonic() > until) return base::fail(ErrorCode::timeout, "travd does not end within 40 s");
      wait_a_while(glance);
    }
    return {};
  }
  bool is_running() override { return running(places_).has_value(); }
  Status check(std::string_view version, base::Duration patience) override {
    const base::Duration until = clock_.monotonic() + patience;
    for (;;) {
      const auto now = running(places_);
      if (now && now->is_ready && now->version == version && now->process != before_) return check_ready(config_);
      if (now && now->refused == version) {
        return base::fail(ErrorCode::unavailable, fmt::format("travd {} ended before it could take over; its log is {}",
                                                              version, (places_.log() / "travd.log").string()));
      }
      if (clock_.monotonic() > until) {
        return base::fail(ErrorCode::timeout,
                          fmt::format("travd {} is not ready after {} s; its log is {}", version,
                                      patience / std::chrono::seconds(1), (places_.log() / "travd.log").string()));
      }
      wait_a_while(glance);
    }
  }
  bool survives_reboot() const override { return false; }
  Status remove() override { return {}; }
  Status make_user(const std::filesystem::path&) override {
    TRV_TRY(changes_.make_folder(config_.data_folder, 0750));
    if (user_.empty()) return {};
    if (::getpwnam(user_.c_str()) == nullptr) {
      TRV_TRY(changes_.run({"useradd", "--system", "--user-group", "--no-create-home", "--home-dir",
                            config_.data_folder, "--shell", "/usr/sbin/nologin", user_}));
    }
    return give_data(changes_, config_.data_folder, user_);
  }

 private:
  // Of no terminal and no parent.
  [[noreturn]] void become(const std::string& program, const std::string& log) {
    ::setsid();
    ::umask(022);
    const int null = ::open("/dev/null", O_RDWR);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0640);
    if (null < 0 || out < 0 || ::dup2(null, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(out, 2) < 0) ::_exit(126);
    ::close_range(3, ~0U, 0);
    if (::chdir("/") != 0) ::_exit(126);
    if (user_.empty()) ::execl(program.c_str(), program.c_str(), "supervise", nullptr);
    ::execl(program.c_str(), program.c_str(), "supervise", "--user", user_.c_str(), nullptr);
    ::_exit(127);
  }

  const Places& places_;
  const config::Config& config_;
  Changes& changes_;
  const std::string user_;
  const base::Clock& clock_;
  int before_ = -1;  ///< the process that was asked to end
};

}  // namespace

Status check_ready(const config::Config& config) {
  constexpr auto answer_patience = std::chrono::seconds(10);
  TRV_TRY_ASSIGN(const int status,
                 status_of(config.http_address, static_cast<std::uint16_t>(config.http_port),
                           config.serves_tls() ? Transport::tls : Transport::plain, "/readyz", answer_patience));
  if (status == 200) return {};
  return base::fail(ErrorCode::unavailable, fmt::format("/readyz answers {}", status));
}

Status give_data(Changes& changes, const std::filesystem::path& folder, const std::string& user) {
  struct stat found{};
  const passwd* known = ::getpwnam(user.c_str());
  const bool is_given = known != nullptr && ::stat(folder.c_str(), &found) == 0 && found.st_uid == known->pw_uid;
  return is_given ? Status() : changes.give(folder, user);
}

std::optional<Running> running_here(const Places& places) {
  return is_systemd(places) ? running_unit(places) : running(places);
}

std::unique_ptr<Service> service_of(const Places& places, const config::Config& config, Changes& changes,
                                    std::string user, const base::Clock& clock) {
  if (is_systemd(places)) return systemd_service(places, config, changes, std::move(user), clock);
  return std::make_unique<SupervisedService>(places, config, changes, std::move(user), clock);
}

}  // namespace trv::steps
