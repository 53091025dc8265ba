#pragma once
// Loads a library in a process of its own before this one does: a damaged library, or one that crashes, hangs or exits
// while it is loaded, ends that process and not the kernel.
//
// The process is trav-plugin-host (kernel/plugin_host/child). It gets no environment, no open file but its output, and
// no core file. What it cannot show: what the library does later.

#include <chrono>
#include <filesystem>
#include <stop_token>
#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::plugin_host {

/// What the process prints once it has loaded and ended the library, so that a library that exits proves nothing.
inline constexpr std::string_view trial_passed = "passed";

/// Blocks until the process has ended, at most `patience`. Any thread. Errors: invalid (the library is refused; says
/// why), unavailable (the process could not be started), cancelled (`stop` was requested; the process is killed).
[[nodiscard]] base::Status try_library(const std::filesystem::path& program, const std::filesystem::path& library,
                                       std::string_view id, std::string_view version, const std::stop_token& stop = {},
                                       std::chrono::milliseconds patience = std::chrono::seconds(20));

}  // namespace trv::plugin_host
