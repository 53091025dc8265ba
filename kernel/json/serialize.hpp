#pragma once
// Values to JSON text (RFC 8259). Any thread.

#include <cstddef>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/json/value.hpp"

namespace trv::json {

/// What printing may spend: values can share nodes and unfold to any size.
struct SerializeLimits {
  std::size_t bytes_max = std::numeric_limits<std::size_t>::max();
  std::size_t depth_max = 10'000;  ///< deeper parts print as jq's "<skipped: too deep>"
};

/// Compact, entries in insertion order; the same value always gives the same text. Doubles print as the shortest text
/// that reads back the same; NaN as null, infinities as the largest double.
[[nodiscard]] std::string serialize(const Value& value);
/// An object's text with these members behind its own. Their values are JSON text that is ready, as it was stored: no
/// reader has touched its numbers. An empty one is null.
[[nodiscard]] std::string serialize_with(const Value& object,
                                         std::initializer_list<std::pair<std::string_view, std::string_view>> members);
/// Appends to `out`; false when it stopped at the limit, with `out` unfinished.
[[nodiscard]] bool append(std::string& out, const Value& value, const SerializeLimits& limits);
/// Takes about the bytes of the value's text off `left`. False where there are fewer, or where the value is more than
/// 500 levels deep; `left` is 0 then.
[[nodiscard]] bool spend_bytes(const Value& value, std::size_t& left, int depth = 0);
/// Appends the text as a JSON string with its quotes.
void append_string(std::string& out, std::string_view text);
/// Appends a number as serialize prints it.
void append_number(std::string& out, const Value& number);

}  // namespace trv::json
