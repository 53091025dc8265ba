#include "audit/note/text.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <optional>

#include "sdk/base/utf8.hpp"

namespace trv::note {
namespace {

using base::ErrorCode;

constexpr std::size_t name_bytes_max = 255;

struct CodePoint {
  char32_t value;
  std::size_t bytes;
};

// The first code point of a text that is not empty; nullopt unless it is well-formed UTF-8 (Unicode 15, table 3-7).
std::optional<CodePoint> first_code_point(std::string_view text) {
  const std::size_t bytes = base::character_bytes(text);
  if (bytes == 0) {
    return std::nullopt;
  }
  std::size_t at = 0;
  return CodePoint{base::next_code_point(text, at), bytes};
}

// The White_Space property.
bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

}  // namespace

base::Status check_text(std::string_view text) {
  int line = 1;
  std::size_t line_start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto point = first_code_point(text.substr(at));
    const int column = static_cast<int>(at - line_start) + 1;
    if (!point) {
      return base::fail(
          base::Error(ErrorCode::invalid, fmt::format("line {} is not valid UTF-8", line)).at(line, column));
    }
    if (point->value == '\n') {
      ++line;
      line_start = at + 1;
    } else if (point->value < 0x20) {
      return base::fail(base::Error(ErrorCode::invalid, fmt::format("line {} has the control character U+{:04X}", line,
                                                                    static_cast<unsigned>(point->value)))
                            .at(line, column));
    }
    at += point->bytes;
  }
  return {};
}

base::Status check_name(std::string_view name) {
  if (name.empty()) {
    return base::fail(ErrorCode::invalid, "a key name is empty");
  }
  if (name.size() > name_bytes_max) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("a key name has {} bytes; at most {} are accepted", name.size(), name_bytes_max));
  }
  for (std::size_t at = 0; at < name.size();) {
    const auto point = first_code_point(name.substr(at));
    if (!point) {
      return base::fail(ErrorCode::invalid, "a key name is not valid UTF-8");
    }
    if (point->value < 0x20 || point->value == '+' || is_space(point->value)) {
      return base::fail(ErrorCode::invalid, fmt::format("a key name has U+{:04X}; spaces, control characters and '+' "
                                                        "cannot be in one",
                                                        static_cast<unsigned>(point->value)));
    }
    at += point->bytes;
  }
  return {};
}

}  // namespace trv::note
