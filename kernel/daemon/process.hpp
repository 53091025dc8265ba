#pragma once
// What the daemon needs of its process: open files, and a place for secrets that is not a log.

#include <optional>
#include <string>

#include "kernel/daemon/config.hpp"

namespace trv::daemon {

/// Raises the soft limit of open files to the hard limit. Returns a warning where that is less than the connections of
/// the API and the effects under way need.
[[nodiscard]] std::optional<std::string> raise_open_files(const Config& config);

/// Whether a service manager keeps what is written to this descriptor: systemd started the process, and the descriptor
/// is not a terminal.
[[nodiscard]] bool is_journaled(const Environment& environment, int descriptor);

}  // namespace trv::daemon
