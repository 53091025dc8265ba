#pragma once
// Whether a package keeps the promises of the SDK, in-process and isolated, as a report that a certifier can sign;
// docs/formats/conformance-report.md is its definition.
//
// In-process: the checks of the conformance suite, each in a child process with a time limit. Isolated: calls of the
// plugin's examples in the process that travd would run it in, held against the same calls in-process.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernel/json/value.hpp"
#include "kernel/sandbox/zygote.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/digest.hpp"

namespace trv::plugin_run {

enum class CheckMode { in_process, isolated };
/// "in-process", "isolated".
[[nodiscard]] std::string_view to_string(CheckMode mode) noexcept;

struct CheckReport {
  std::string name;
  CheckMode mode = CheckMode::in_process;
  std::vector<std::string> findings = {};  ///< sentences; empty: it holds
};

struct ValidationSetup {
  std::filesystem::path program = {};  ///< trav-plugin-host
  std::filesystem::path scratch = {};  ///< a folder for this run alone
  std::optional<std::string> configuration = std::nullopt;
  std::chrono::milliseconds check_time_max = std::chrono::seconds(60);  ///< of a check in-process
  std::uint64_t call_timeout_ms = 10'000;                               ///< of a call when isolated
  std::function<void(const CheckReport&)> checked = {};                 ///< hears of each, once it is known
};

struct Validation {
  std::string plugin;
  std::string version;
  base::Digest package{};               ///< SHA-256
  std::optional<sandbox::Walls> walls;  ///< of the isolated process; nullopt: it did not start
  std::vector<CheckReport> checks;
  std::size_t calls_compared = 0;
  std::vector<std::string> remarks;  ///< what was not checked, and what is otherwise than with travd

  [[nodiscard]] bool holds() const noexcept;
};
[[nodiscard]] json::Value to_value(const Validation& validation);

/// Blocks. For a process with one thread, as run_apart. Errors: those of package::read, not_found (no library for this
/// machine), unavailable (no disk, no isolation).
[[nodiscard]] base::Result<Validation> validate_plugin(base::BytesView package, const ValidationSetup& setup,
                                                       const base::Clock& clock);

}  // namespace trv::plugin_run
