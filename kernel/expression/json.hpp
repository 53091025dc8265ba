#pragma once
// JSON text to values and back (RFC 8259). Any thread.

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>

#include "kernel/expression/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::expression {

struct JsonLimits {
  std::size_t bytes_max = 1'000'000;
  std::size_t depth_max = 512;
};

/// One JSON text with nothing but white space around it and at most a byte order mark before. Numbers within int64 are
/// exact, others double; a number too large for a double becomes the largest one. Of duplicate keys the last wins.
/// Invalid UTF-8 is refused. Errors: too_large over a limit; invalid otherwise, with line and column (in bytes, from 1)
/// and what was expected.
[[nodiscard]] base::Result<Value> parse_json(std::string_view text, const JsonLimits& limits = {});

/// What printing may spend: values can share nodes and unfold to any size.
struct PrintLimits {
  std::size_t bytes_max = std::numeric_limits<std::size_t>::max();
  std::size_t depth_max = 10'000;  ///< deeper parts print as jq's "<skipped: too deep>"
};

/// Compact, entries in insertion order; the same value always gives the same text. Doubles print as the shortest text
/// that reads back the same; NaN as null, infinities as the largest double.
[[nodiscard]] std::string to_json(const Value& value);
/// With two spaces of indentation.
[[nodiscard]] std::string to_json_pretty(const Value& value);
/// Appends to `out`; false when it stopped at the limit, with `out` unfinished.
[[nodiscard]] bool append_json(std::string& out, const Value& value, const PrintLimits& limits);
/// Appends the text as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);
/// Appends a number as to_json prints it.
void append_json_number(std::string& out, const Value& number);

}  // namespace trv::expression
