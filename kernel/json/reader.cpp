#include "kernel/json/reader.hpp"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "sdk/base/contract.hpp"
#include "sdk/base/hex_digit.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::json {
namespace {

using base::ErrorCode;
using base::Result;

constexpr std::size_t shown_bytes_max = 80;

/// How many of the eight bytes a string holds as they are before the first that is a control character, a quote, a
/// backslash or not ASCII.
std::size_t plain_bytes(const char* bytes) noexcept {
  static_assert(std::endian::native == std::endian::little);
  constexpr std::uint64_t ones = 0x0101'0101'0101'0101;
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  // The lowest bit that is set is exact; those above it need not be.
  const auto below = [](std::uint64_t w, std::uint64_t bound) { return (w - ones * bound) & ~w; };
  const std::uint64_t special =
      (word | below(word, 0x20) | below(word ^ (ones * '"'), 1) | below(word ^ (ones * '\\'), 1)) & (ones * 0x80);
  return static_cast<std::size_t>(std::countr_zero(special)) / 8;
}

/// Behind the plain bytes from `at` on, as far as eight are left to look at.
std::size_t plain_end(std::string_view text, std::size_t at) noexcept {
  TRV_EXPECTS(at <= text.size());
  for (; text.size() - at >= sizeof(std::uint64_t); at += sizeof(std::uint64_t)) {
    const std::size_t plain = plain_bytes(text.data() + at);
    if (plain < sizeof(std::uint64_t)) return at + plain;
  }
  return at;
}

}  // namespace

double to_double(std::string_view number) {
  double real = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), real);
  if (read.ec == std::errc::result_out_of_range) real = std::strtod(std::string(number).c_str(), nullptr);
  return real;
}

Reader::Reader(std::string_view text, const ParseLimits& limits) : text_(text), limits_(limits) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text_.starts_with(byte_order_mark)) text_.remove_prefix(byte_order_mark.size());
}

Position Reader::place_of(std::size_t offset) const noexcept {
  TRV_EXPECTS(offset >= line_start_);
  return {.line = line_, .column = static_cast<int>(offset - line_start_ + 1), .offset = offset};
}

bool Reader::refuse(std::size_t at, std::string message, ErrorCode code) {
  TRV_EXPECTS(!error_);
  const Position place = place_of(at);
  error_ = base::Error(code, std::move(message)).at(place.line, place.column);
  return false;
}

bool Reader::refuse_found(std::string_view wanted) {
  if (at_end()) return refuse(at_, fmt::format("expected {}, found the end of the text", wanted));
  const std::size_t bytes = base::character_bytes(text_.substr(at_));
  const auto byte = static_cast<unsigned char>(peek());
  if (bytes == 0) return refuse(at_, fmt::format("expected UTF-8, found the byte 0x{:02x}", byte));
  if (byte < 0x20 || byte == 0x7f) return refuse(at_, fmt::format("expected {}, found U+{:04X}", wanted, byte));
  return refuse(at_, fmt::format("expected {}, found '{}'", wanted, text_.substr(at_, bytes)));
}

void Reader::skip_space() noexcept {
  for (; !at_end(); ++at_) {
    const char c = text_[at_];
    if (c == '\n') {
      ++line_;
      line_start_ = at_ + 1;
    } else if (c != ' ' && c != '\t' && c != '\r') {
      return;
    }
  }
}

Result<Piece> Reader::next() {
  TRV_EXPECTS(!error_);
  if (read()) return piece_;
  return base::fail(*error_);
}

bool Reader::read() {
  if (text_.size() > limits_.bytes_max) {
    return refuse(0, fmt::format("the text has {} bytes; expected at most {}", text_.size(), limits_.bytes_max),
                  ErrorCode::too_large);
  }
  skip_space();
  position_ = place_of(at_);
  if (expected_ == Expected::comma_or_end) {
    TRV_ASSERT(!open_.empty());
    const bool is_array = open_.back() == '[';
    if (peek() == (is_array ? ']' : '}')) return close();
    if (peek() != ',') return refuse_found(is_array ? "',' or ']'" : "',' or '}'");
    ++at_;
    skip_space();
    position_ = place_of(at_);
    expected_ = is_array ? Expected::value : Expected::key;
  }
  switch (expected_) {
    case Expected::value_or_end:
      if (peek() == ']') return close();
      [[fallthrough]];
    case Expected::value: return value();
    case Expected::key_or_end:
      if (peek() == '}') return close();
      [[fallthrough]];
    case Expected::key: return key();
    case Expected::comma_or_end: break;
    case Expected::nothing:
      if (!at_end()) return refuse_found("the end of the text");
      TRV_ENSURES(open_.empty());
      piece_ = Piece::document_end;
      return true;
  }
  base::contract_failed("invariant", "known Expected", __FILE__, __LINE__);
}

bool Reader::value() {
  const char c = peek();
  if (c == '{') return open(Piece::object_begin);
  if (c == '[') return open(Piece::array_begin);
  expected_ = open_.empty() ? Expected::nothing : Expected::comma_or_end;
  switch (c) {
    case '"': return string(Piece::string);
    case 't': return word("true", Piece::boolean);
    case 'f': return word("false", Piece::boolean);
    case 'n': return word("null", Piece::null);
    default: return number();
  }
}

bool Reader::open(Piece begin) {
  if (open_.size() == limits_.depth_max) {
    return refuse(at_, fmt::format("more than {} levels of nesting", limits_.depth_max), ErrorCode::too_large);
  }
  open_ += text_[at_++];
  const bool is_object = begin == Piece::object_begin;
  if (is_object && limits_.duplicate_keys == DuplicateKeys::refused) keys_.emplace_back();
  expected_ = is_object ? Expected::key_or_end : Expected::value_or_end;
  piece_ = begin;
  return true;
}

bool Reader::close() {
  TRV_EXPECTS(!open_.empty());
  const bool is_object = open_.back() == '{';
  if (is_object && !keys_.empty()) keys_.pop_back();
  ++at_;
  open_.pop_back();
  expected_ = open_.empty() ? Expected::nothing : Expected::comma_or_end;
  piece_ = is_object ? Piece::object_end : Piece::array_end;
  return true;
}

bool Reader::key() {
  if (peek() != '"') return refuse_found("a key in double quotes");
  if (!string(Piece::key)) return false;
  if (!keys_.empty() && !keys_.back().emplace(piece_text_).second) {
    return refuse(position_.offset,
                  fmt::format("the key '{}' occurs twice", base::utf8_prefix(piece_text_, shown_bytes_max)));
  }
  skip_space();
  if (peek() != ':') return refuse_found("':'");
  ++at_;
  expected_ = Expected::value;
  return true;
}

bool Reader::word(std::string_view expected, Piece piece) {
  piece_text_ = text_.substr(at_, expected.size());
  if (piece_text_ != expected) return refuse_found("a JSON value");
  at_ += expected.size();
  piece_ = piece;
  return true;
}

bool Reader::digits() {
  const std::size_t start = at_;
  while (peek() >= '0' && peek() <= '9') ++at_;
  if (at_ == start) return refuse_found("a digit");
  return true;
}

bool Reader::number() {
  if (peek() == '-') {
    ++at_;
  } else if (peek() < '0' || peek() > '9') {
    return refuse_found("a JSON value");
  }
  if (peek() == '0') {
    ++at_;
  } else {
    if (!digits()) return false;
  }
  if (peek() == '.') {
    ++at_;
    if (!digits()) return false;
  }
  const bool has_exponent = peek() == 'e' || peek() == 'E';
  if (has_exponent) {
    ++at_;
    if (peek() == '+' || peek() == '-') ++at_;
    if (!digits()) return false;
  }
  piece_text_ = text_.substr(position_.offset, at_ - position_.offset);
  TRV_ENSURES(!piece_text_.empty());
  const bool may_be_large = has_exponent || piece_text_.size() > std::numeric_limits<double>::max_exponent10;
  if (may_be_large && limits_.large_numbers == LargeNumbers::refused && std::isinf(to_double(piece_text_))) {
    return refuse(position_.offset, fmt::format("the number {} is too large; expected at most 1.7976931348623157e308",
                                                piece_text_.substr(0, shown_bytes_max)));
  }
  piece_ = Piece::number;
  return true;
}

bool Reader::string(Piece piece) {
  TRV_EXPECTS(peek() == '"');
  const std::size_t start = ++at_;
  std::size_t plain_from = start;
  bool escaped = false;
  unescaped_.clear();
  while (true) {
    at_ = plain_end(text_, at_);
    if (at_end()) return refuse(at_, "the text ends within a string; expected '\"' at the string's end");
    const auto byte = static_cast<unsigned char>(text_[at_]);
    if (byte == '"') break;
    if (byte < 0x20) return refuse_found("an escape such as \\n in place of a control character");
    if (byte == '\\') {
      escaped = true;
      unescaped_.append(text_, plain_from, at_ - plain_from);
      ++at_;
      if (!escape()) return false;
      plain_from = at_;
    } else if (byte < 0x80) {
      ++at_;
    } else if (const std::size_t bytes = base::character_bytes(text_.substr(at_)); bytes > 0) {
      at_ += bytes;
    } else {
      return refuse_found("UTF-8");
    }
  }
  piece_text_ = text_.substr(start, at_ - start);
  if (escaped) piece_text_ = unescaped_.append(text_, plain_from, at_ - plain_from);
  ++at_;
  piece_ = piece;
  return true;
}

bool Reader::four_digits(char32_t& code) {
  code = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const int digit = base::hex_value(peek());
    if (digit < 0) return refuse_found("four hexadecimal digits after \\u");
    code = (code << 4) | static_cast<char32_t>(digit);
  }
  return true;
}

bool Reader::escape() {
  constexpr std::string_view names = "\"\\/bfnrt";
  constexpr std::string_view values = "\"\\/\b\f\n\r\t";
  if (const std::size_t found = at_end() ? std::string_view::npos : names.find(peek());
      found != std::string_view::npos) {
    unescaped_ += values[found];
    ++at_;
    return true;
  }
  if (peek() != 'u') return refuse_found("an escape of JSON: \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u");
  const std::size_t start = at_ - 1;
  ++at_;
  char32_t code = 0;
  if (!four_digits(code)) return false;
  if (code >= 0xDC00 && code <= 0xDFFF) return refuse(start, "a low surrogate without its high surrogate before it");
  if (code >= 0xD800 && code <= 0xDBFF) {
    char32_t low = 0;
    if (text_.substr(at_).starts_with("\\u")) {
      at_ += 2;
      if (!four_digits(low)) return false;
    }
    if (low < 0xDC00 || low > 0xDFFF) return refuse(start, "a high surrogate without its low surrogate after it");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  }
  base::append_code_point(unescaped_, code);
  return true;
}

}  // namespace trv::json
