#pragma once
// What the JSON parser lets pass and strict readers do not: a key that occurs twice in one object.

#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::gateway {

/// `json` is a JSON text that parsed, also with a byte order mark. Keys are compared unescaped. Error: invalid at the
/// second key, with line and column.
[[nodiscard]] base::Status check_unique_keys(std::string_view json);

}  // namespace trv::gateway
