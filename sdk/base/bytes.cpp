#include "sdk/base/bytes.hpp"

#include <openssl/crypto.h>

#include "sdk/base/hex_digit.hpp"

namespace trv::base {
namespace {

constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view base64url_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> base64_values = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < base64_alphabet.size(); ++i) {
    values[static_cast<std::uint8_t>(base64_alphabet[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}();

std::string encode_base64(BytesView bytes, std::string_view alphabet, bool padded) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    const std::uint32_t word = std::uint32_t{bytes[i]} << 16 | (left > 1 ? std::uint32_t{bytes[i + 1]} << 8 : 0) |
                               (left > 2 ? std::uint32_t{bytes[i + 2]} : 0);
    text += alphabet[word >> 18];
    text += alphabet[word >> 12 & 63];
    if (left > 1) text += alphabet[word >> 6 & 63];
    if (left > 2) text += alphabet[word & 63];
    if (padded) text.append(3 - left, '=');
  }
  return text;
}

}  // namespace

std::string to_hex(BytesView bytes) {
  std::string text(bytes.size() * 2, '\0');
  put_hex(text.data(), bytes.data(), bytes.size());
  return text;
}

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return bytes;
}

std::string to_base64(BytesView bytes) {
  return encode_base64(bytes, base64_alphabet, true);
}
std::string to_base64url(BytesView bytes) {
  return encode_base64(bytes, base64url_alphabet, false);
}

std::optional<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const int padding = last ? (text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0) : 0;
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const bool is_padding = static_cast<int>(k) >= 4 - padding;
      const int value = is_padding ? 0 : base64_values[static_cast<std::uint8_t>(text[i + k])];
      if (value < 0) return std::nullopt;
      word = word << 6 | static_cast<std::uint32_t>(value);
    }
    if (padding == 1 && (word & 0xff) != 0) return std::nullopt;
    if (padding == 2 && (word & 0xffff) != 0) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(word >> 16));
    if (padding < 2) bytes.push_back(static_cast<std::uint8_t>(word >> 8));
    if (padding < 1) bytes.push_back(static_cast<std::uint8_t>(word));
  }
  return bytes;
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

bool equal_in_constant_time(BytesView a, BytesView b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace trv::base
