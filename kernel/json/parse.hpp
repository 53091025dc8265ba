#pragma once
// JSON text to values (RFC 8259). Any thread.

#include <cstddef>
#include <string_view>

#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::json {

struct ParseLimits {
  std::size_t bytes_max = 1'000'000;
  std::size_t depth_max = 512;
};

/// One JSON text with nothing but white space around it and at most a byte order mark before. Numbers within int64 are
/// exact, others double; a number too large for a double becomes the largest one. Of duplicate keys the last wins.
/// Invalid UTF-8 is refused. Errors: too_large over a limit; invalid otherwise, with line and column (in bytes, from 1)
/// and what was expected.
[[nodiscard]] base::Result<Value> parse(std::string_view text, const ParseLimits& limits = {});

}  // namespace trv::json
