#pragma once
// Program text to tokens, one at a time. Strings are read in parts, because expressions can be inside them.

#include <cstdint>
#include <string>
#include <string_view>

#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::expression {

enum class TokenKind : std::uint8_t {
  end,
  punctuation,  // text = the characters
  field,        // .name; text = name
  identifier,   // text, also for keywords
  keyword,
  variable,  // $name; text = name
  format,    // @name, with @
  number,
  string_begin,  // the opening quote; the parts follow by read_string_part
  invalid,       // message in text
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::uint32_t offset = 0;
  std::string text;
  json::Value number;

  [[nodiscard]] bool is(std::string_view punctuation) const noexcept {
    return kind == TokenKind::punctuation && text == punctuation;
  }
  [[nodiscard]] bool is_keyword(std::string_view word) const noexcept {
    return kind == TokenKind::keyword && text == word;
  }
};

/// Borrows the text.
class Lexer {
 public:
  explicit Lexer(std::string_view text) noexcept : text_(text) {}

  [[nodiscard]] Token next();

  enum class StringEnd : std::uint8_t { quote, interpolation, invalid };
  /// Reads on inside a string, up to the closing quote or `\(`, and appends to `out`; on invalid, `out` is the message.
  [[nodiscard]] StringEnd read_string_part(std::string& out);
  [[nodiscard]] std::uint32_t offset() const noexcept { return static_cast<std::uint32_t>(position_); }

 private:
  void skip_space() noexcept;
  [[nodiscard]] char peek(std::size_t ahead = 0) const noexcept {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }
  [[nodiscard]] std::string_view read_name() noexcept;
  [[nodiscard]] Token read_number();
  [[nodiscard]] bool read_unicode_escape(char32_t& unit) noexcept;

  std::string_view text_;
  std::size_t position_ = 0;
};

/// The error at this offset of the program, with line and column.
[[nodiscard]] base::Error error_at(std::string_view text, std::uint32_t offset, base::ErrorCode code,
                                   std::string message);
[[nodiscard]] int line_of(std::string_view text, std::uint32_t offset) noexcept;

}  // namespace trv::expression
