#pragma once
// Completion scripts, generated from the tree of commands. Pure; any thread.

#include <string>
#include <string_view>

#include "kernel/cli/commands/command.hpp"

namespace trv::cli {

/// shell: bash, zsh or fish. Error: invalid for another.
[[nodiscard]] base::Result<std::string> completion_script(std::string_view shell, const CommandDescription& root);

}  // namespace trv::cli
