#pragma once
// Words for messages. Pure; any thread.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/json/value.hpp"

namespace trv::json_schema {

/// A value as short JSON text: `"abc"`, `[1,2,3…`.
[[nodiscard]] std::string quoted(const json::Value& value);
/// "1 item", "3 items".
[[nodiscard]] std::string counted(std::size_t count, std::string_view singular, std::string_view plural);
/// "a", "b" and 7 more.
[[nodiscard]] std::string name_list(const std::vector<std::string_view>& names, std::string_view last_word);
/// `; did you mean "name"?`, or nothing.
[[nodiscard]] std::string meant(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace trv::json_schema
