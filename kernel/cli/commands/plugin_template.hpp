#pragma once
// The folder that `trav plugin new` copies: the smallest complete plugin. Any thread.

#include <filesystem>
#include <string_view>

#include "kernel/cli/commands/world.hpp"
#include "sdk/base/result.hpp"

namespace trv::cli {

/// Where a new plugin comes from.
struct PluginTemplate {
  std::filesystem::path folder;
  std::filesystem::path sdk;  ///< copied as it is; empty: the plugin brings no SDK
  std::filesystem::path
      sdk_beside;  ///< the folder of the plugin that gets it, below its own name; empty: the plugin's own
};

/// The template of this installation for a language, "c++", "python", "rust" or "typescript": TRAV_TEMPLATE_DIR,
/// share/travertine beside the program's folder, or the source tree that the program was built from. Error: invalid
/// where there is none.
[[nodiscard]] base::Result<PluginTemplate> find_plugin_template(const World& world, std::string_view language);

/// The folder that holds sdk/cpp of this installation, or of the source tree; where there is none, an empty path.
[[nodiscard]] std::filesystem::path find_cpp_sdk(const World& world);

/// Copies the template to a folder that does not exist yet, with the template's id replaced by `id` in names and texts,
/// also where it is written with '_' or in CamelCase. Returns the number of files.
/// Error: invalid (a bad id), conflict (the folder exists), internal (the disk).
[[nodiscard]] base::Result<std::size_t> copy_plugin_template(const PluginTemplate& from,
                                                             const std::filesystem::path& to, std::string_view id);

}  // namespace trv::cli
