#pragma once
// Loads a plugin's shared object for a test.

#include <filesystem>

#include "sdk/abi/plugin.h"
#include "sdk/base/result.hpp"

namespace trv::conformance::suite {

/// The entry of a library, which stays mapped until the process ends. Runs the library's constructors. Any thread.
/// Errors: not_found (no such file), invalid (it cannot be loaded, or exports no fitting trv_entry_v1).
[[nodiscard]] base::Result<const trv_entry*> load_library(const std::filesystem::path& path);

}  // namespace trv::conformance::suite
