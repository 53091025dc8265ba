#include "audit/trail/json_text.hpp"

#include <array>
#include <charconv>
#include <cstring>

#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::trail {
namespace {

constexpr char digits[] = "0123456789abcdef";

// Every byte as its two digits.
constexpr std::array<char, 512> digit_pairs = [] {
  std::array<char, 512> table{};
  for (std::size_t i = 0; i < 256; ++i) {
    table[2 * i] = digits[i >> 4];
    table[2 * i + 1] = digits[i & 0x0F];
  }
  return table;
}();

// Bytes that are written unchanged in a JSON string.
constexpr std::array<bool, 256> plain = [] {
  std::array<bool, 256> table{};
  for (std::size_t i = 0x20; i < 0x80; ++i) {
    table[i] = i != '"' && i != '\\' && i != 0x7F;
  }
  return table;
}();

std::uint8_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

void append_escape(std::string& out, std::uint8_t byte) {
  switch (byte) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  const char escape[] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 0x0F]};
  out.append(escape, sizeof escape);
}

// Where to cut so that no character is halved.
std::size_t cut_position(std::string_view text) {
  std::size_t at = text_bytes_max;
  for (int back = 0; back < 3 && (byte_at(text, at) & 0xC0) == 0x80; ++back) {
    --at;
  }
  return at;
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  const bool cut = text.size() > text_bytes_max;
  if (cut) {
    text = text.substr(0, cut_position(text));
  }
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && plain[byte_at(text, end)]) {
      ++end;
    }
    out.append(text, at, end - at);
    at = end;
    if (at == text.size()) {
      break;
    }
    if (byte_at(text, at) < 0x80) {
      append_escape(out, byte_at(text, at));
      ++at;
    } else if (const std::size_t length = base::character_bytes(text.substr(at)); length > 0) {
      out.append(text, at, length);
      at += length;
    } else {
      out += "\xEF\xBF\xBD";
      ++at;
    }
  }
  out += cut ? "\xE2\x80\xA6\"" : "\"";
}

void append_hex(std::string& out, base::BytesView bytes) {
  const std::size_t start = out.size();
  out.resize(start + 2 * bytes.size() + 2);
  char* to = out.data() + start;
  *to++ = '"';
  for (const std::uint8_t byte : bytes) {
    std::memcpy(to, &digit_pairs[std::size_t{2} * byte], 2);
    to += 2;
  }
  *to = '"';
}

void append_uuid(std::string& out, const base::Uuid& id) {
  char text[38];
  char* to = text;
  *to++ = '"';
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      *to++ = '-';
    }
    std::memcpy(to, &digit_pairs[std::size_t{2} * id.bytes()[i]], 2);
    to += 2;
  }
  *to = '"';
  out.append(text, sizeof text);
}

void append_number(std::string& out, std::uint64_t number) {
  char text[20];
  const auto [end, error] = std::to_chars(text, text + sizeof text, number);
  TRV_ASSERT(error == std::errc());
  out.append(text, end);
}

}  // namespace trv::trail
