#pragma once
// Whether a plugin's code has the operations that its manifest names. Pure; any thread.

#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::plugin_host {

/// Error: invalid, names every operation that one has and the other does not.
[[nodiscard]] base::Status compare_operations(std::string_view plugin, std::string_view version,
                                              std::vector<std::string> of_manifest, std::vector<std::string> of_code);

}  // namespace trv::plugin_host
