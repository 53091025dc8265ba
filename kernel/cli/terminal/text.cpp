#include "kernel/cli/terminal/text.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <utility>

#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::cli {
namespace {

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

// The first code point of a text that is not empty; a broken byte is one of length 1.
CodePoint first_code_point(std::string_view text) noexcept {
  const std::size_t bytes = base::character_bytes(text);
  if (bytes == 0) return {.value = static_cast<std::uint8_t>(text.front()), .bytes = 1, .valid = false};
  std::size_t position = 0;
  return {.value = base::next_code_point(text, position), .bytes = bytes, .valid = true};
}

using Range = std::pair<char32_t, char32_t>;

template <std::size_t count>
bool is_within(char32_t value, const std::array<Range, count>& ranges) noexcept {
  for (const auto& [first, last] : ranges) {
    if (value >= first && value <= last) return true;
  }
  return false;
}

// Controls, and characters that reorder or hide what is beside them.
constexpr std::array<Range, 10> treacherous = {{{0x00, 0x1f},
                                                {0x7f, 0x9f},
                                                {0xad, 0xad},
                                                {0x61c, 0x61c},
                                                {0x200b, 0x200f},
                                                {0x2028, 0x202e},
                                                {0x2060, 0x206f},
                                                {0xfeff, 0xfeff},
                                                {0xfff9, 0xfffb},
                                                {0xe0000, 0xe0fff}}};
// The blocks of Unicode's East Asian Width W and F, and emoji.
constexpr std::array<Range, 9> wide = {{{0x1100, 0x115f},
                                        {0x2e80, 0x303e},
                                        {0x3041, 0xa4cf},
                                        {0xac00, 0xd7a3},
                                        {0xf900, 0xfaff},
                                        {0xfe30, 0xfe6f},
                                        {0xff00, 0xff60},
                                        {0x1f300, 0x1faff},
                                        {0x20000, 0x3fffd}}};
constexpr std::array<Range, 7> combining = {{{0x300, 0x36f},
                                             {0x483, 0x489},
                                             {0x591, 0x5bd},
                                             {0x1ab0, 0x1aff},
                                             {0x1dc0, 0x1dff},
                                             {0x20d0, 0x20ff},
                                             {0xfe00, 0xfe0f}}};

std::size_t width_of(char32_t value) noexcept {
  return is_within(value, combining) ? 0 : is_within(value, wide) ? 2 : 1;
}

}  // namespace

std::string printable(std::string_view text, LineEnds line_ends) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    if (!point.valid) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(point.value));
    } else if (point.value == '\n') {
      out += line_ends == LineEnds::kept ? "\n" : "\\n";
    } else if (point.value == '\t') {
      out += line_ends == LineEnds::kept ? "    " : "\\t";
    } else if (point.value < 0x80 && is_within(point.value, treacherous)) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(point.value));
    } else if (is_within(point.value, treacherous)) {
      out += fmt::format("\\u{{{:x}}}", static_cast<unsigned>(point.value));
    } else {
      out += text.substr(0, point.bytes);
    }
    text.remove_prefix(point.bytes);
  }
  return out;
}

std::string printable_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    const CodePoint point = first_code_point(json);
    if (!point.valid) {
      out += "\\ufffd";
    } else if (point.value == '\n' || !is_within(point.value, treacherous)) {
      out += json.substr(0, point.bytes);
    } else if (point.value == '\t' || point.value == '\r') {
      out += ' ';
    } else if (point.value > 0xffff) {
      const auto rest = static_cast<unsigned>(point.value) - 0x10000U;
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800U + (rest >> 10U), 0xdc00U + (rest & 0x3ffU));
    } else {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(point.value));
    }
    json.remove_prefix(point.bytes);
  }
  return out;
}

std::size_t display_width(std::string_view text) noexcept {
  std::size_t width = 0;
  while (!text.empty()) {
    const CodePoint point = first_code_point(text);
    width += width_of(point.value);
    text.remove_prefix(point.bytes);
  }
  return width;
}

std::size_t prefix_of_width(std::string_view text, std::size_t width) noexcept {
  std::size_t bytes = 0;
  std::size_t used = 0;
  while (bytes < text.size()) {
    const CodePoint point = first_code_point(text.substr(bytes));
    used += width_of(point.value);
    if (used > width && bytes > 0) break;
    bytes += point.bytes;
  }
  return bytes;
}

std::string fitted(std::string_view text, std::size_t width) {
  TRV_EXPECTS(width > 0);
  if (display_width(text) <= width) return std::string(text);
  if (width == 1) return "…";
  return std::string(text.substr(0, prefix_of_width(text, width - 1))) + "…";
}

}  // namespace trv::cli
