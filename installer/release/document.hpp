#pragma once
// Reading the JSON documents of a bundle, in which nothing is left to taste. Functions of values; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::release {

/// JSON with the blanks that json::serialize writes and a line end: another form of the same value is refused. `what`
/// begins the message. Error: invalid.
[[nodiscard]] base::Result<json::Value> parse_canonical(std::string_view text, std::string_view what);
/// JSON of any form, without a key twice in an object. Error: invalid.
[[nodiscard]] base::Result<json::Value> parse_document(std::string_view text, std::string_view what);

/// The member's text; empty where it is missing or of another kind.
[[nodiscard]] std::string text_at(const json::Value& object, std::string_view key);
[[nodiscard]] std::optional<std::int64_t> number_at(const json::Value& object, std::string_view key);
/// nullptr where it is missing or of another kind; borrowed.
[[nodiscard]] const json::Value* array_at(const json::Value& object, std::string_view key);

}  // namespace trv::release
