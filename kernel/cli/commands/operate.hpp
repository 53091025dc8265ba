#pragma once
// What an operator does to instances beyond letting it wait and go on: its past, forks and signals.

#include <string>
#include <string_view>

#include "kernel/cli/commands/command.hpp"
#include "kernel/json/value.hpp"

namespace trv::cli {

/// Adds the verbs to `trav instance`.
void add_instance_operations(Noun& noun);
/// trav workflow disable, enable and delete.
void add_workflow_operations(Noun& noun);

/// `trav instance show ID --at AT`.
[[nodiscard]] base::Result<ExitCode> show_past(Session& session, const std::string& instance, const std::string& at);

/// What a dry run with one instance says; `answer` is the server's.
[[nodiscard]] std::string possible(std::string_view action, const std::string& id, const json::Value& answer);

/// JSON that the command line or a file gives; empty where neither does. Errors: invalid for text that is not JSON, and
/// where both are given. `option`: "--input"; the file's is that with "-file".
[[nodiscard]] base::Result<std::string> json_given(Session& session, const std::string& option, const std::string& text,
                                                   const std::string& file);

}  // namespace trv::cli
