#pragma once
// JSON text to values. Any thread.

#include <string_view>

#include "kernel/json/reader.hpp"
#include "kernel/json/value.hpp"

namespace trv::json {

/// What Reader takes, as a value. Numbers within int64 are exact, others double. Errors: Reader's, with line and column
/// in the message as well; too_large where the evaluation that runs has no memory left for it.
[[nodiscard]] base::Result<Value> parse(std::string_view text, const ParseLimits& limits = {});

}  // namespace trv::json
