#include "sdk/base/utf8.hpp"

#include <cstdint>
#include <cstring>

#include "sdk/base/contract.hpp"

namespace trv::base {
namespace {

constexpr char32_t malformed = 0xFFFF'FFFF;

bool is_continuation(char byte) noexcept {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// Eight bytes from here are ASCII.
bool is_ascii_word(std::string_view text, std::size_t at) noexcept {
  std::uint64_t word = 0;
  if (text.size() - at < sizeof word) return false;
  std::memcpy(&word, text.data() + at, sizeof word);
  return (word & 0x8080'8080'8080'8080U) == 0;
}

// Moves behind the code point, or behind the longest part that could have begun one.
char32_t decode(std::string_view text, std::size_t& position) noexcept {
  TRV_EXPECTS(position < text.size());
  const auto first = static_cast<unsigned char>(text[position++]);
  if (first < 0x80) return first;
  int more = 0;
  char32_t code_point = 0;
  unsigned char second_min = 0x80;
  unsigned char second_max = 0xBF;
  if (first >= 0xC2 && first <= 0xDF) {
    more = 1;
    code_point = first & 0x1F;
  } else if (first >= 0xE0 && first <= 0xEF) {
    more = 2;
    code_point = first & 0x0F;
    if (first == 0xE0) second_min = 0xA0;
    if (first == 0xED) second_max = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    more = 3;
    code_point = first & 0x07;
    if (first == 0xF0) second_min = 0x90;
    if (first == 0xF4) second_max = 0x8F;
  } else {
    return malformed;
  }
  for (int i = 0; i < more; ++i) {
    if (position == text.size()) return malformed;
    const auto byte = static_cast<unsigned char>(text[position]);
    if (byte < (i == 0 ? second_min : 0x80) || byte > (i == 0 ? second_max : 0xBF)) return malformed;
    code_point = (code_point << 6) | (byte & 0x3F);
    ++position;
  }
  return code_point;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    if (is_ascii_word(text, i)) {
      i += sizeof(std::uint64_t);
    } else if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++i;
    } else if (decode(text, i) == malformed) {
      return false;
    }
  }
  return true;
}

std::size_t character_bytes(std::string_view text) noexcept {
  std::size_t end = 0;
  return decode(text, end) == malformed ? 0 : end;
}

char32_t next_code_point(std::string_view text, std::size_t& position) noexcept {
  const char32_t code_point = decode(text, position);
  return code_point == malformed ? replacement_character : code_point;
}

void append_code_point(std::string& out, char32_t code_point) {
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF)) code_point = replacement_character;
  const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

std::size_t count_code_points(std::string_view text) noexcept {
  std::size_t count = 0;
  for (const char byte : text) count += is_continuation(byte) ? 0 : 1;
  return count;
}

std::size_t code_point_offset(std::string_view text, std::size_t index) noexcept {
  std::size_t offset = 0;
  while (offset < text.size() && index > 0) {
    ++offset;
    while (offset < text.size() && is_continuation(text[offset])) ++offset;
    --index;
  }
  TRV_ENSURES(offset <= text.size());
  return offset;
}

std::string_view utf8_prefix(std::string_view text, std::size_t bytes_max) noexcept {
  if (text.size() <= bytes_max) return text;
  std::size_t size = bytes_max;
  while (size > 0 && is_continuation(text[size])) --size;
  return text.substr(0, size);
}

std::string to_valid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size();) append_code_point(out, next_code_point(bytes, i));
  return out;
}

}  // namespace trv::base
