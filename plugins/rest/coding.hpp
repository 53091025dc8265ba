#pragma once
// Base64 (RFC 4648 §4), and bytes that JSON can hold. C++20; any thread.

#include <optional>
#include <string>
#include <string_view>

namespace rest {

[[nodiscard]] std::string to_base64(std::string_view bytes);
/// Without regard to line breaks; nullopt for anything else that is not base64.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace rest
