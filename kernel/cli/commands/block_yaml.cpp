#include "kernel/cli/commands/block_yaml.hpp"

#include <algorithm>

#include "sdk/base/field_text.hpp"
#include "sdk/base/line_of.hpp"

namespace trv::cli {

using base::line_of;
using base::trimmed;

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

std::size_t indent_of(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

std::optional<Key> key_of(std::string_view line) {
  Key key{.name = {}, .column = indent_of(line)};
  while (line.substr(key.column).starts_with("- ")) {
    key.is_item = true;
    key.column += 2;
    key.column += indent_of(line.substr(key.column));
  }
  std::size_t end = key.column;
  const char quote = end < line.size() && (line[end] == '"' || line[end] == '\'') ? line[end] : '\0';
  if (quote != '\0') {
    end = line.find(quote, end + 1);
    if (end == std::string_view::npos) return std::nullopt;
    key.name = line.substr(key.column + 1, end - key.column - 1);
    ++end;
  } else {
    end = line.find(':', end);
    if (end == std::string_view::npos) return std::nullopt;
    key.name = trimmed(line.substr(key.column, end - key.column));
  }
  if (end >= line.size() || line[end] != ':' || line.substr(key.column).starts_with('#')) return std::nullopt;
  return key;
}

std::vector<Key> around(std::string_view text, int line, std::size_t column) {
  std::vector<Key> keys;
  for (int number = line; number >= 1 && column > 0; --number) {
    const auto key = key_of(line_of(text, number));
    if (!key || key->column >= column) continue;
    column = key->is_item ? indent_of(line_of(text, number)) : key->column;
    keys.push_back(*key);
    keys.back().line = number;
    if (key->is_item && column == 0) {
      // The items of a list may begin below their key.
      column = 1;
    }
  }
  return keys;
}

std::string value_of(std::string_view line) {
  const auto key = key_of(line);
  if (!key) return {};
  std::size_t colon = line.find(':', key->column + key->name.size());
  if (colon == std::string_view::npos) return {};
  std::string_view value = line.substr(colon + 1);
  if (const std::size_t comment = value.find(" #"); comment != std::string_view::npos) value = value.substr(0, comment);
  value = trimmed(value);
  const bool is_quoted =
      value.size() >= 2 && value.front() == value.back() && (value.front() == '"' || value.front() == '\'');
  return std::string(is_quoted ? value.substr(1, value.size() - 2) : value);
}

std::vector<Key> siblings_of(std::string_view text, const Key& key) {
  std::vector<Key> found;
  const int lines = static_cast<int>(std::ranges::count(text, '\n')) + 1;
  // Up to the beginning of the mapping, then down to its end.
  int first = key.line;
  for (int number = key.line; number >= 1; --number) {
    const std::string_view line = line_of(text, number);
    if (trimmed(line).empty()) continue;
    const auto one = key_of(line);
    if (one && one->column == key.column) first = number;
    if (indent_of(line) < key.column) break;
  }
  for (int number = first; number <= lines; ++number) {
    const std::string_view line = line_of(text, number);
    if (trimmed(line).empty()) continue;
    if (number > first && indent_of(line) < key.column) break;
    auto one = key_of(line);
    if (!one || one->column != key.column) continue;
    one->line = number;
    found.push_back(*std::move(one));
  }
  return found;
}

}  // namespace trv::cli
