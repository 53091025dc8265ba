#pragma once
// The steps of one workflow instance as a table whose columns are fixed, so that rows can be printed as they come.
// One thread.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernel/cli/commands/session.hpp"
#include "kernel/cli/terminal/table.hpp"

namespace trv::cli {

/// TIME, LSN, TASK, OPERATION, OUTCOME, DURATION.
[[nodiscard]] RunningTable timeline_table(const Style& style);
/// The cells of one item of an instance's task list.
[[nodiscard]] std::vector<std::string> timeline_row(const json::Value& task, const std::string& known_operation);

/// "75 µs", "312 ms", "1.25 s", "3 min 20 s".
[[nodiscard]] std::string duration_text(double ms);

/// Prints the steps of an instance: those that there are, and those that come.
class Timeline {
 public:
  Timeline(Session& session, std::string instance) : session_(session), instance_(std::move(instance)) {}

  /// Prints steps that were not printed yet; waits for a server that restarts. Error: as Session::call.
  [[nodiscard]] base::Status print_new();
  /// Prints until the instance has ended, and how it ended. ok, faulted, or refused where it was cancelled.
  [[nodiscard]] base::Result<ExitCode> follow();

 private:
  [[nodiscard]] base::Result<json::Value> get(const std::string& target);
  [[nodiscard]] base::Result<ExitCode> follow_to_the_end();
  /// The instance if it has ended, else null.
  [[nodiscard]] base::Result<json::Value> ended();
  [[nodiscard]] ExitCode tell_end(const json::Value& instance);

  Session& session_;
  std::string instance_;
  std::string cursor_;  // of the last page; pages only grow
  std::size_t printed_of_page_ = 0;
  std::optional<RunningTable> table_;              // once there was a step
  std::map<std::string, std::string> operations_;  ///< by the task's reference
};

}  // namespace trv::cli
