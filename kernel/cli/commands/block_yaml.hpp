#pragma once
// Where a place is in block YAML that may not be whole yet, by lines and columns alone. Pure; any thread.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trv::cli {

/// The key of a line, and where it begins; behind "- " where the line is an item.
struct Key {
  std::string name;
  std::size_t column = 0;
  bool is_item = false;
  int line = 0;  ///< from 1; of around()
};

/// A character of a name.
[[nodiscard]] bool is_name(char c);
/// How many spaces a line begins with.
[[nodiscard]] std::size_t indent_of(std::string_view line);
[[nodiscard]] std::optional<Key> key_of(std::string_view line);
/// The text behind a key and its colon, without quotes and comments; empty where it is on other lines.
[[nodiscard]] std::string value_of(std::string_view line);
/// The keys around a place below `line`, which is from 1, the innermost first: those of that line and of lines before
/// it that begin before `column`.
[[nodiscard]] std::vector<Key> around(std::string_view text, int line, std::size_t column);
/// The keys of the mapping that has `key`, with the line of each.
[[nodiscard]] std::vector<Key> siblings_of(std::string_view text, const Key& key);

}  // namespace trv::cli
