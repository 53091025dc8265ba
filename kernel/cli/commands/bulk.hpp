#pragma once
// One action on the instances that a search finds.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/cli/commands/command.hpp"
#include "kernel/cli/commands/session.hpp"

namespace trv::cli {

/// Which instances are meant; empty = not given.
struct SearchArguments {
  std::string status;
  std::string workflow;
  std::string error;
  std::string key;
  std::string correlation;
  std::string since;
  std::string until;
  bool not_compensated = false;

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> filters() const;
  [[nodiscard]] bool is_given() const;
};
/// Their options.
Verb& add_search(Verb& verb, SearchArguments& arguments);

struct BulkArguments {
  std::string action;
  SearchArguments search;
  std::string reason;
  bool is_dry = false;
  bool is_sure = false;                      ///< does not ask
  json::Value more = json::Value::object();  ///< what the request says besides
};
/// The options of its search, and those below.
Verb& add_bulk(Verb& verb, BulkArguments& arguments);
/// Error: invalid where options for many come with one instance.
[[nodiscard]] base::Status check_alone(const BulkArguments& arguments);
/// Counts for which of those that the search finds the action is possible, asks, and acts, with progress on a terminal.
/// What was refused is said with its reason.
[[nodiscard]] base::Result<ExitCode> act_on_many(Session& session, const BulkArguments& arguments);

}  // namespace trv::cli
