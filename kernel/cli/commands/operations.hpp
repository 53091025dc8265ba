#pragma once
// The operations of plugins that a definition can call, as editors and checks are shown them: of packages in a folder,
// or of what a tenant has enabled on a server.

#include <filesystem>
#include <string>
#include <vector>

#include "kernel/cli/commands/session.hpp"
#include "kernel/json/value.hpp"

namespace trv::cli {

struct KnownOperation {
  std::string call;  ///< as a task calls it: "chat.post-message:1.0.0@default"
  std::string title;
  std::string summary;
  json::Value input;  ///< its JSON Schema; null where it takes anything
};

using Operations = std::vector<KnownOperation>;

/// Of every *.trvp in the folder and in those within it, by name. A file that is not a whole package is left out and
/// `unreadable` says which and why. Error: not_found for no such folder.
[[nodiscard]] base::Result<Operations> operations_in(const std::filesystem::path& folder,
                                                     std::vector<std::string>& unreadable);

/// Of the plugins that the session's tenant has enabled. Errors: as Session::call; invalid where the session has no
/// token.
[[nodiscard]] base::Result<Operations> operations_of(Session& session);

}  // namespace trv::cli
