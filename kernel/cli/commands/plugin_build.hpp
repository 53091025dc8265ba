#pragma once
// How a plugin's folder is built and tested: as the page of its template says. Any thread.

#include <filesystem>
#include <string>

#include "kernel/cli/commands/world.hpp"
#include "sdk/base/result.hpp"

namespace trv::cli {

/// Commands of a shell, run in the folder. Empty: there is nothing to do.
struct BuildSteps {
  std::string build;
  std::string test;
};

/// By the files that are there: CMakeLists.txt, Cargo.toml, tsconfig.json, or tests of Python.
[[nodiscard]] BuildSteps build_steps_of(const std::filesystem::path& folder);

/// Runs a command of a shell in a folder; what it prints goes to this program's standard error. TRV_SDK, where it is
/// not set, names the SDK of this installation. Errors: denied (it failed); those of run_child.
[[nodiscard]] base::Status run_in(const World& world, const std::string& folder, const std::string& command);

}  // namespace trv::cli
