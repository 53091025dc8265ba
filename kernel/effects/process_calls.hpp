#pragma once
// Shell commands and scripts of workflows, each in a sandbox of its own.

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "kernel/effects/effect_dispatcher.hpp"

namespace trv::effects {

inline constexpr base::Duration process_time_default = std::chrono::seconds(30);

struct ProcessOptions {
  std::filesystem::path program;                              ///< trav-plugin-host, which makes the sandbox
  std::map<std::string, std::filesystem::path> interpreters;  ///< of each language that the operator allows
  std::size_t at_once = 4;                                    ///< processes; at least 1
};

/// `languages`: of shell, python and javascript, separated by commas, whose interpreters are looked for on this host. A
/// sandbox is made once where there is any, so that a host that cannot make one is noticed now. Errors: invalid for
/// another name; not_found where an interpreter is not installed; unavailable where no sandbox can be made.
[[nodiscard]] base::Result<ProcessOptions> process_options(std::string_view languages, std::filesystem::path program,
                                                           std::size_t at_once);

/// The effect's operation is the language; its input is {"code", "arguments", "environment", "stdin", "return"}. The
/// outcome is what `return` names: `stdout` or `stderr` as text, `code`, `all` of them as an object, or null for
/// `none`. An exit code other than 0 is a failure where the outcome would not show it: as `internal`, with the last
/// lines of standard error. Output that is not UTF-8 fails as `invalid`.
///
/// A sandbox reaches nothing that outlives it, so a try may be made again. Calls wait for their turn; the next one is
/// of the tenant that has the fewest under way.
class ProcessCalls {
 public:
  explicit ProcessCalls(ProcessOptions options);
  /// Ends those under way and waiting, as cancelled.
  ~ProcessCalls();
  ProcessCalls(const ProcessCalls&) = delete;
  ProcessCalls& operator=(const ProcessCalls&) = delete;

  [[nodiscard]] bool allows(const std::string& language) const { return options_.interpreters.contains(language); }

  /// `left` 0: process_time_default from the start of the process; else that, waiting included. Any thread; `done` is
  /// called on one of its own, or at once.
  [[nodiscard]] CancelTry perform(const shard::Effect& effect, base::Duration left, TryDone done);

 private:
  struct Call;

  void work(const std::stop_token& stop);
  [[nodiscard]] std::shared_ptr<Call> next(const std::stop_token& stop);

  ProcessOptions options_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::shared_ptr<Call>> waiting_;
  std::map<base::TenantId, std::size_t> under_way_;
  std::vector<std::jthread> threads_;  ///< last: they end first
};

}  // namespace trv::effects
