#include "kernel/expression/syntax/lexer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "sdk/base/utf8.hpp"

namespace trv::expression {
namespace {

constexpr std::array<std::string_view, 18> keywords = {"def",    "if",      "then",    "elif", "else",    "as",
                                                       "end",    "reduce",  "foreach", "try",  "catch",   "label",
                                                       "import", "include", "and",     "or",   "__loc__", "module"};
constexpr std::array<std::string_view, 14> long_punctuation = {
    "?//", "//=", "..", "|=", "+=", "-=", "*=", "/=", "%=", "//", "==", "!=", "<=", ">="};
constexpr std::string_view short_punctuation = ".[]{}()|,:;=<>+-*/%?$";

bool is_name_start(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
bool is_name(char c) noexcept {
  return is_name_start(c) || is_digit(c);
}

}  // namespace

int line_of(std::string_view text, std::uint32_t offset) noexcept {
  const std::string_view before = text.substr(0, std::min<std::size_t>(offset, text.size()));
  return 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n'));
}

base::Error error_at(std::string_view text, std::uint32_t offset, base::ErrorCode code, std::string message) {
  const std::string_view before = text.substr(0, std::min<std::size_t>(offset, text.size()));
  const std::size_t break_at = before.rfind('\n');
  const std::size_t line_start = break_at == std::string_view::npos ? 0 : break_at + 1;
  const int column = static_cast<int>(base::count_code_points(before.substr(line_start))) + 1;
  const int line = line_of(text, offset);
  return base::Error(code, fmt::format("{} (line {}, column {})", message, line, column)).at(line, column);
}

void Lexer::skip_space() noexcept {
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++position_;
    } else if (c == '#') {
      // A comment goes on over a line end that an odd number of backslashes escapes.
      bool escaped = false;
      while (position_ < text_.size()) {
        const char in_comment = text_[position_];
        if (in_comment == '\n' && !escaped) break;
        if (in_comment == '\r' && escaped && peek(1) == '\n') ++position_;
        escaped = in_comment == '\\' && !escaped;
        ++position_;
      }
    } else {
      return;
    }
  }
}

std::string_view Lexer::read_name() noexcept {
  const std::size_t from = position_;
  while (is_name(peek())) ++position_;
  return text_.substr(from, position_ - from);
}

Token Lexer::read_number() {
  const std::size_t from = position_;
  Token token{TokenKind::number, static_cast<std::uint32_t>(from), {}, {}};
  bool whole = true;
  while (is_digit(peek())) ++position_;
  if (peek() == '.') {
    whole = false;
    ++position_;
    while (is_digit(peek())) ++position_;
  }
  if (peek() == 'e' || peek() == 'E') {
    const std::size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
    if (is_digit(peek(1 + sign))) {
      whole = false;
      position_ += 1 + sign;
      while (is_digit(peek())) ++position_;
    }
  }
  const std::string text(text_.substr(from, position_ - from));
  std::int64_t integer = 0;
  if (whole && std::from_chars(text.data(), text.data() + text.size(), integer).ec == std::errc()) {
    token.number = json::Value(integer);
    return token;
  }
  const double real = std::strtod(text.c_str(), nullptr);
  token.number = json::Value(std::isinf(real) ? std::numeric_limits<double>::max() : real);
  return token;
}

Token Lexer::next() {
  skip_space();
  Token token{TokenKind::end, offset(), {}, {}};
  if (position_ >= text_.size()) return token;
  const char c = peek();
  if (c == '"') {
    ++position_;
    token.kind = TokenKind::string_begin;
  } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
    return read_number();
  } else if (c == '.' && is_name_start(peek(1))) {
    ++position_;
    token.kind = TokenKind::field;
    token.text = read_name();
  } else if (c == '$' && is_name_start(peek(1))) {
    ++position_;
    token.kind = TokenKind::variable;
    token.text = read_name();
    if (peek() == ':' && peek(1) == ':') {
      token.kind = TokenKind::invalid;
      token.text = "modules are not available here";
    }
  } else if (c == '@' && is_name(peek(1))) {
    ++position_;
    token.kind = TokenKind::format;
    token.text = "@";
    token.text += read_name();
  } else if (is_name_start(c)) {
    token.text = read_name();
    token.kind = std::find(keywords.begin(), keywords.end(), token.text) == keywords.end() ? TokenKind::identifier
                                                                                           : TokenKind::keyword;
    if (peek() == ':' && peek(1) == ':') {
      token.kind = TokenKind::invalid;
      token.text = "modules are not available here";
    }
  } else {
    const std::string_view rest = text_.substr(position_);
    const auto longer = std::find_if(long_punctuation.begin(), long_punctuation.end(),
                                     [rest](std::string_view candidate) { return rest.starts_with(candidate); });
    if (longer != long_punctuation.end()) {
      token.kind = TokenKind::punctuation;
      token.text = *longer;
      position_ += longer->size();
    } else if (short_punctuation.find(c) != std::string_view::npos) {
      token.kind = TokenKind::punctuation;
      token.text = std::string(1, c);
      ++position_;
    } else {
      token.kind = TokenKind::invalid;
      token.text = "syntax error, unexpected character";
    }
  }
  return token;
}

bool Lexer::read_unicode_escape(char32_t& unit) noexcept {
  if (peek() != '\\' || peek(1) != 'u' || position_ + 6 > text_.size()) return false;
  unsigned value = 0;
  const char* from = text_.data() + position_ + 2;
  const auto [end, error] = std::from_chars(from, from + 4, value, 16);
  if (error != std::errc() || end != from + 4) return false;
  unit = value;
  position_ += 6;
  return true;
}

Lexer::StringEnd Lexer::read_string_part(std::string& out) {
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c == '"') {
      ++position_;
      return StringEnd::quote;
    }
    if (c != '\\') {
      out += c;
      ++position_;
      continue;
    }
    constexpr std::string_view escapes = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const std::size_t escape = escapes.find(peek(1));
    if (peek(1) == '(') {
      position_ += 2;
      return StringEnd::interpolation;
    }
    if (position_ + 1 < text_.size() && escape != std::string_view::npos) {
      out += meanings[escape];
      position_ += 2;
      continue;
    }
    char32_t unit = 0;
    if (!read_unicode_escape(unit)) {
      out = "invalid escape in a string";
      return StringEnd::invalid;
    }
    if (unit >= 0xD800 && unit < 0xDC00) {
      const std::size_t before = position_;
      char32_t low = 0;
      if (read_unicode_escape(low) && low >= 0xDC00 && low < 0xE000) {
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
      } else {
        position_ = before;
        out = "a high surrogate without its low surrogate after it";
        return StringEnd::invalid;
      }
    }
    base::append_code_point(out, unit);
  }
  out = "syntax error, unexpected end of a string";
  return StringEnd::invalid;
}

}  // namespace trv::expression
