#pragma once
// Building the path of a request from values that are not to be trusted. C++20; any thread.

#include <optional>
#include <string>
#include <string_view>

namespace trv::sdk {

/// Percent-encodes all but the unreserved characters of RFC 3986 §2.3; for values of a query.
[[nodiscard]] inline std::string percent_encode(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool unreserved = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

/// The text as one segment of a path; nullopt where it is empty, "." or "..", which would lead to another place.
[[nodiscard]] inline std::optional<std::string> path_segment(std::string_view text) {
  if (text.empty() || text == "." || text == "..") return std::nullopt;
  return percent_encode(text);
}

}  // namespace trv::sdk
