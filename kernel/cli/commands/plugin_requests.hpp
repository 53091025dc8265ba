#pragma once
// What several verbs of `trav plugin` ask the server for. Errors as Session::call.

#include <string>

#include "kernel/cli/commands/plugin_consent.hpp"
#include "kernel/cli/commands/session.hpp"

namespace trv::cli {

/// Gives a package to the server, which answers 202 where its trial of the library takes long: goes on asking until the
/// outcome is there. The answer is the package as the server has it. Error: denied where it was refused, too.
[[nodiscard]] base::Result<HttpResponse> install_package(Session& session, std::string bytes);

/// Enables a version for the session's tenant. The answer is the version as it is enabled.
/// Error: as send_with_consent.
[[nodiscard]] base::Result<HttpResponse> enable_plugin(Session& session, const std::string& id,
                                                       const std::string& version, const ConsentArguments& consent);

}  // namespace trv::cli
