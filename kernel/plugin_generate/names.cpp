#include "kernel/plugin_generate/names.hpp"

#include <fmt/format.h>

#include <vector>

#include "sdk/base/utf8.hpp"

namespace trv::plugin_generate {
namespace {

constexpr std::size_t comment_characters_max = 200;

bool is_lower(char c) noexcept {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) noexcept {
  return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
char lower_of(char c) noexcept {
  return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}
char upper_of(char c) noexcept {
  return is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c;
}

/// In lower case.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool begins = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (!is_lower(c) && !is_upper(c) && !is_digit(c)) {
      begins = true;
      continue;
    }
    const char before = i == 0 ? '\0' : text[i - 1];
    const char after = i + 1 == text.size() ? '\0' : text[i + 1];
    // "aB" is two words, and "HTMLPage" is HTML and Page.
    if (is_upper(c) && (is_lower(before) || is_digit(before) || (is_upper(before) && is_lower(after)))) begins = true;
    if (begins) words.emplace_back();
    begins = false;
    words.back() += lower_of(c);
  }
  return words;
}

bool turns_text(char32_t character) noexcept {
  return character == 0x85 || character == 0x61c || (character >= 0x200b && character <= 0x200f) ||
         (character >= 0x2028 && character <= 0x202e) || (character >= 0x2060 && character <= 0x206f) ||
         character == 0xfeff;
}

/// `escape` writes what is not ASCII that can be printed.
std::string quoted(std::string_view text, std::string (*escape)(std::uint32_t)) {
  std::string literal = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const auto character = static_cast<std::uint32_t>(base::next_code_point(text, at));
    if (character == '"' || character == '\\') literal += '\\';
    if (character >= ' ' && character <= '~') {
      literal += static_cast<char>(character);
    } else {
      literal += escape(character);
    }
  }
  return literal + '"';
}

}  // namespace

std::string snake_case(std::string_view text) {
  std::string name;
  for (const std::string& word : words_of(text)) {
    if (!name.empty() || is_digit(word.front())) name += '_';
    name += word;
  }
  return name;
}

std::string pascal_case(std::string_view text) {
  std::string name;
  for (const std::string& word : words_of(text)) {
    // "1.2" and "12" are two names.
    if (is_digit(word.front()) && (name.empty() || is_digit(name.back()))) name += '_';
    name += upper_of(word.front());
    name += word.substr(1);
  }
  return name;
}

bool is_identifier(std::string_view text) noexcept {
  if (text.empty() || is_digit(text.front())) return false;
  for (const char c : text) {
    if (!is_lower(c) && !is_upper(c) && !is_digit(c) && c != '_') return false;
  }
  return true;
}

std::string cpp_literal(std::string_view text) {
  std::string literal;
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '?') {
      literal += '\\';
      literal += c;
    } else if (c >= ' ' && c <= '~') {
      literal += c;
    } else {
      literal += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    }
  }
  return literal;
}

std::string python_literal(std::string_view text) {
  return quoted(text, [](std::uint32_t character) {
    return character > 0xffff ? fmt::format("\\U{:08x}", character) : fmt::format("\\u{:04x}", character);
  });
}

std::string rust_literal(std::string_view text) {
  return quoted(text, [](std::uint32_t character) { return fmt::format("\\u{{{:x}}}", character); });
}

std::string javascript_literal(std::string_view text) {
  return quoted(text, [](std::uint32_t character) {
    return character > 0xffff ? fmt::format("\\u{{{:x}}}", character) : fmt::format("\\u{:04x}", character);
  });
}

std::string comment_text(std::string_view text) {
  std::string line;
  std::size_t characters = 0;
  for (std::size_t at = 0; at < text.size() && characters < comment_characters_max;) {
    const char32_t character = base::next_code_point(text, at);
    const bool is_blank = character <= ' ' || (character >= 0x7f && character < 0xa0) || turns_text(character);
    if (is_blank && (line.empty() || line.back() == ' ')) continue;
    if (line.ends_with('*') && character == '/') line += ' ';
    if (is_blank) {
      line += ' ';
    } else {
      base::append_code_point(line, character);
    }
    ++characters;
  }
  // A backslash at its end would take the next line in.
  while (line.ends_with(' ') || line.ends_with('\\')) line.pop_back();
  return line;
}

std::string UniqueNames::take(std::string wanted, std::string_view otherwise) {
  if (wanted.empty()) wanted = otherwise;
  if (is_reserved_(wanted)) wanted += '_';
  std::string name = wanted;
  for (int number = 2; !taken_.insert(name).second; ++number) {
    name = fmt::format("{}{}{}", wanted, wanted.ends_with('_') ? "" : "_", number);
  }
  return name;
}

}  // namespace trv::plugin_generate
