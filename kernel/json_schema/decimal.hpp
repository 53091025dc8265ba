#pragma once
// Exact divisibility of JSON numbers. Pure; any thread.

#include "kernel/json/value.hpp"

namespace trv::json_schema {

/// Whether the number is a whole one, as 3 and 3.0 are.
[[nodiscard]] bool is_whole(const json::Value& number);
/// Whether `number` is a whole multiple of `divisor`, which is above 0; both taken as the shortest decimals that they
/// print as, so that 0.3 is a multiple of 0.1.
[[nodiscard]] bool is_multiple(const json::Value& number, const json::Value& divisor);

}  // namespace trv::json_schema
