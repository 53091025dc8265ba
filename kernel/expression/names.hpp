#pragma once
// The names of all functions that an expression may call, for suggestions and completion. Any thread.

#include <string_view>
#include <vector>

namespace trv::expression {

/// Each once, sorted; static.
[[nodiscard]] const std::vector<std::string_view>& function_names();

}  // namespace trv::expression
