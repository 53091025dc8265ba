#pragma once
// The verbs of `trav plugin` about trust: keys, signatures, revocations, and what a package says of itself.

#include <filesystem>
#include <string>

#include "kernel/cli/commands/command.hpp"

namespace trv::cli {

void add_trust_verbs(Noun& noun);

/// Checks a package and shows what it is, who signed it and what is in it. `trust`: a trust file; empty: none is asked.
[[nodiscard]] base::Result<ExitCode> inspect_package(Session& session, const std::filesystem::path& path,
                                                     const std::string& trust);

}  // namespace trv::cli
