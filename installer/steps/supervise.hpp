#pragma once
// What keeps travd running on a host without systemd: it holds the listening socket, so that connections wait while one
// travd ends and the next one begins, and starts travd again where it ended. docs/formats/bundle.md, "On the host".
//
// One thread; ends with the process.

#include <filesystem>
#include <optional>
#include <string>

#include "installer/steps/installation.hpp"
#include "kernel/config/config.hpp"
#include "sdk/base/clock.hpp"

namespace trv::steps {

/// What is said in /run/travertine/state.json of the travd that runs.
struct Running {
  int supervisor = 0;   ///< the process that supervises
  int process = 0;      ///< travd; 0: between two
  std::string version;  ///< that it was started from
  bool is_ready = false;
  std::string refused;  ///< a version that ended before it could take over; empty: none did
};

[[nodiscard]] std::filesystem::path run_folder(const Places& places);
/// nullopt where no supervisor lives.
[[nodiscard]] std::optional<Running> running(const Places& places);

/// Supervises until SIGTERM; SIGHUP ends travd and starts the version that is current then. `user`: empty to go on as
/// this one. Errors, before it begins: conflict (another one lives), unavailable.
[[nodiscard]] base::Status supervise(const Places& places, const config::Config& config, const std::string& user,
                                     const base::Clock& clock);

}  // namespace trv::steps
