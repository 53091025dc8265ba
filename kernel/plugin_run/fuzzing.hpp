#pragma once
// Calls a plugin's operations with inputs that its schemas allow and nobody thought of, in a process of its own each
// time that one crashed or hung, and says which input did it.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernel/plugin_run/cassette.hpp"
#include "kernel/plugin_run/local_services.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/clock.hpp"

namespace trv::plugin_run {

struct Finding {
  /// crash: the process ended. hang: there was no answer in time. defect: the code `internal`, which is that of an
  /// exception and of an output against the schema; but not where that hands on what a service answered.
  enum class Kind { crash, hang, defect };
  Kind kind = Kind::crash;
  std::string operation;
  std::string input;      ///< JSON
  std::string message;    ///< what the caller is given
  Cassette cassette;      ///< the answers to what the plugin asked over HTTP
  std::uint64_t run = 0;  ///< from 0
};
/// "crash", "hang", "defect".
[[nodiscard]] std::string_view to_string(Finding::Kind kind) noexcept;

struct FuzzSetup {
  std::filesystem::path program = {};        ///< trav-plugin-host
  std::filesystem::path scratch = {};        ///< a folder for this run alone
  std::vector<std::string> operations = {};  ///< empty: all of the manifest
  std::optional<std::string> configuration = std::nullopt;
  Secrets secrets = {};
  std::string connection = {};  ///< as a workflow's task would name it
  std::uint64_t seed = 0;
  std::uint64_t runs_max = 0;  ///< 0: as many as there is time for
  base::Duration time_max = std::chrono::seconds(60);
  std::uint64_t call_timeout_ms = 5'000;
  /// Hears of the first finding of each kind and message of an operation, at once.
  std::function<void(const Finding&)> found = {};
};

struct FuzzOutcome {
  std::uint64_t runs = 0;
  std::uint64_t answered = 0;
  std::map<std::string, std::uint64_t> failed = {};    ///< by code
  std::map<std::string, std::uint64_t> findings = {};  ///< by kind; each time, not only the first
  std::vector<std::string> remarks = {};
};

/// Run `n` of a seed has the same operation, input and answers on every machine. Errors: what keeps the plugin from
/// being called, as run_operation; not_found (an operation that is named).
[[nodiscard]] base::Result<FuzzOutcome> fuzz_plugin(base::BytesView package, const FuzzSetup& setup,
                                                    const base::Clock& clock);

}  // namespace trv::plugin_run
