#pragma once
// What a definition's calls of operations lack, as far as the operations' manifests say. Pure; one thread.

#include <string_view>

#include "kernel/cli/commands/operations.hpp"
#include "kernel/workflow/definition/check.hpp"

namespace trv::cli {

/// Whether there is anything to check.
[[nodiscard]] bool calls_operations(const definition::Definition& definition);

/// Adds a warning for each call of an operation that is not among those known, and for each input without expressions
/// that the operation's schema refuses. `of`: whose operations are known, for the message.
void check_operations(const Operations& known, std::string_view of, const definition::Definition& definition,
                      const definition::Node& root, definition::Problems& problems);

}  // namespace trv::cli
