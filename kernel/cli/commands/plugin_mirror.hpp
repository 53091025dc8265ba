#pragma once
// What is in a mirror, for `trav plugin`.

#include <string>

#include "kernel/cli/commands/command.hpp"

namespace trv::cli {

/// trav plugin search.
void add_plugin_search(Noun& noun);

/// A package of the mirror in `folder`; `version` empty: the highest. Errors: not_found; as those of a package's file.
[[nodiscard]] base::Result<ExitCode> show_in_mirror(Session& session, const std::string& folder, const std::string& id,
                                                    const std::string& version);

}  // namespace trv::cli
