#pragma once
// Secrets come from files, standard input or the environment: a command line can be read by every process of the
// machine.

#include <optional>
#include <string>
#include <string_view>

#include "kernel/cli/commands/command.hpp"

namespace trv::cli {

/// The secret from where it was said to be, by `option`-file or `option`-env, without the line end that editors add;
/// nullopt where nothing was said. "-" is standard input. Error: invalid, also for an empty one.
[[nodiscard]] base::Result<std::optional<std::string>> secret_of(Session& session, std::string_view option,
                                                                 const std::string& file, const std::string& variable);

}  // namespace trv::cli
