#pragma once
// What started travd and watches over it, where that is systemd or speaks as it does: it hears when travd is ready and
// that it lives, and may bring the socket of the API. sd_notify(3), sd_listen_fds(3).
//
// One thread.

#include <optional>
#include <string>
#include <string_view>

#include "kernel/config/config.hpp"
#include "sdk/base/open_file.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::daemon {

class Supervisor {
 public:
  /// By the variables NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID, LISTEN_FDS and LISTEN_PID; those that name another
  /// process than `self` count as missing. Error: invalid (it brings more than one socket, or a number is none).
  [[nodiscard]] static base::Result<Supervisor> of(const config::Environment& environment, int self);

  /// "READY=1", "STATUS=…"; several with line ends between. Nothing where nobody listens: it is not waited for.
  void say(std::string_view what) const noexcept;
  /// How often it wants to hear "WATCHDOG=1"; nullopt: never.
  [[nodiscard]] std::optional<base::Duration> sign_of_life_every() const noexcept { return sign_of_life_every_; }
  /// The number of the listening socket that it brings; nullopt: none.
  [[nodiscard]] std::optional<int> socket() const noexcept { return socket_; }

 private:
  std::string address_;  ///< of its socket; empty: nobody listens
  base::OpenFile channel_;
  std::optional<base::Duration> sign_of_life_every_;
  std::optional<int> socket_;
};

}  // namespace trv::daemon
