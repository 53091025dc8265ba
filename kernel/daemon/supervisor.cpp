#include "kernel/daemon/supervisor.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>

namespace trv::daemon {
namespace {

using base::ErrorCode;

constexpr int first_socket = 3;

std::string value_of(const config::Environment& environment, std::string_view variable) {
  const auto found = environment.find(variable);
  return found == environment.end() ? std::string() : found->second;
}

/// nullopt where the variable is missing.
base::Result<std::optional<std::uint64_t>> number_of(const config::Environment& environment,
                                                     std::string_view variable) {
  const std::string text = value_of(environment, variable);
  if (text.empty()) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return std::optional(number);
  return base::fail(ErrorCode::invalid, fmt::format("{}: '{}' is not a number", variable, text.substr(0, 40)));
}

}  // namespace

base::Result<Supervisor> Supervisor::of(const config::Environment& environment, int self) {
  Supervisor supervisor;
  TRV_TRY_ASSIGN(const auto watched, number_of(environment, "WATCHDOG_PID"));
  TRV_TRY_ASSIGN(const auto watchdog_us, number_of(environment, "WATCHDOG_USEC"));
  TRV_TRY_ASSIGN(const auto listens, number_of(environment, "LISTEN_PID"));
  TRV_TRY_ASSIGN(const auto sockets, number_of(environment, "LISTEN_FDS"));
  const auto itself = static_cast<std::uint64_t>(self);
  if (watchdog_us && *watchdog_us > 0 && watched.value_or(itself) == itself) {
    // Three times in the time after which it is given up.
    supervisor.sign_of_life_every_ = std::chrono::microseconds(std::max<std::uint64_t>(*watchdog_us / 3, 1));
  }
  if (listens == itself && sockets.value_or(0) > 0) {
    if (*sockets > 1) {
      return base::fail(ErrorCode::invalid,
                        fmt::format("LISTEN_FDS: {} sockets; travd takes one, that of the API", *sockets));
    }
    static_cast<void>(::fcntl(first_socket, F_SETFD, FD_CLOEXEC));
    supervisor.socket_ = first_socket;
  }
  supervisor.address_ = value_of(environment, "NOTIFY_SOCKET");
  if (supervisor.address_.size() >= sizeof(sockaddr_un::sun_path)) {
    return base::fail(ErrorCode::invalid, "NOTIFY_SOCKET: too long for the address of a socket");
  }
  if (supervisor.address_.starts_with('@')) supervisor.address_.front() = '\0';  // of no file
  if (!supervisor.address_.empty())
    supervisor.channel_ = base::OpenFile(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return supervisor;
}

void Supervisor::say(std::string_view what) const noexcept {
  if (!channel_.is_open()) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  static_cast<void>(::sendto(channel_.number(), what.data(), what.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                             reinterpret_cast<const sockaddr*>(&to),
                             static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size())));
}

}  // namespace trv::daemon
