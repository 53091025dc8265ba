#pragma once
// A plugin on its author's disk: its package, and the program that plugins run in. Any thread.

#include <filesystem>

#include "kernel/cli/commands/world.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/package/package.hpp"

namespace trv::cli {

/// package::pack after what only the kernel knows: the manifest's schemas and webhooks compile, a program's file is
/// there, and Python that does not parse is refused where there is a python3. Errors: denied, with all that is wrong
/// in a file; those of package::pack.
[[nodiscard]] base::Result<package::Package> pack_checked(const std::filesystem::path& folder,
                                                          const std::filesystem::path& library,
                                                          const std::filesystem::path& out);

/// Of a .trvp file, or of a plugin's folder packed in `scratch`; `library` as for package::pack, default
/// where the templates' builds put it. Errors: those of reading and packing.
[[nodiscard]] base::Result<base::Bytes> package_of(const std::filesystem::path& source,
                                                   const std::filesystem::path& library,
                                                   const std::filesystem::path& scratch);

/// trav-plugin-host: TRAV_PLUGIN_HOST, or beside this program. Error: not_found.
[[nodiscard]] base::Result<std::filesystem::path> plugin_host_program(const World& world);

}  // namespace trv::cli
