#include "kernel/workflow/definition/places.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "sdk/base/contract.hpp"
#include "sdk/base/line_of.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::definition {

using base::line_of;

namespace {

constexpr std::size_t field_bytes_max = 400;  // of an expression's
constexpr std::size_t no_parent = static_cast<std::size_t>(-1);

/// A value or a property's name, and what is written there.
struct Place {
  Position position;
  std::size_t parent = no_parent;  ///< index of the value around it
  std::string_view key = {};       ///< within a mapping
  std::size_t index = 0;           ///< within a sequence
  bool in_sequence = false;
  std::string_view written = {};  ///< empty where it is not one scalar
};

/// All places of a tree, in the order of the text.
std::vector<Place> places_of(const Node& root) {
  struct Open {
    const Node* node;
    std::size_t place;
  };
  std::vector<Place> all = {{.position = root.position, .written = root.text}};
  std::vector<Open> open = {{&root, 0}};
  while (!open.empty()) {
    const auto [node, place] = open.back();
    open.pop_back();
    for (std::size_t i = 0; i < node->items.size(); ++i) {
      const Node& item = node->items[i];
      open.push_back({&item, all.size()});
      all.push_back(
          {.position = item.position, .parent = place, .index = i, .in_sequence = true, .written = item.text});
    }
    for (const Entry& entry : node->entries) {
      all.push_back({.position = entry.position, .parent = place, .key = entry.key, .written = entry.key});
      open.push_back({&entry.value, all.size()});
      all.push_back({.position = entry.value.position, .parent = place, .key = entry.key, .written = entry.value.text});
    }
  }
  return all;
}

std::string pointer_to(const std::vector<Place>& places, std::size_t at) {
  std::vector<std::string> parts;
  for (; places[at].parent != no_parent; at = places[at].parent) {
    const Place& place = places[at];
    parts.push_back(place.in_sequence ? std::to_string(place.index) : std::string(place.key));
  }
  std::string pointer;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    const std::string next = "/" + pointer_part(*part);
    if (pointer.size() + next.size() > pointer_bytes_max) break;
    pointer += next;
  }
  return pointer;
}

/// In the order of the tree, which is that of the text where nothing is an alias; `pointer` leads to the node.
void name_fields_in(const Node& node, std::string& pointer, const std::map<std::size_t, ExpressionPlace*>& first,
                    std::size_t& left) {
  if (left == 0) return;
  if (node.is_string()) {
    const auto found = first.find(node.position.offset);
    if (found == first.end() || !found->second->field.empty()) return;
    found->second->field = base::utf8_prefix(pointer, field_bytes_max);
    --left;
    return;
  }
  const std::size_t length = pointer.size();
  const auto within = [&](const std::string& part, const Node& value) {
    pointer += "/" + part;
    name_fields_in(value, pointer, first, left);
    pointer.resize(length);
  };
  for (std::size_t i = 0; i < node.items.size(); ++i) within(std::to_string(i), node.items[i]);
  for (const Entry& entry : node.entries) within(pointer_part(entry.key), entry.value);
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         c == '-' || c == '.' || static_cast<unsigned char>(c) >= 0x80;
}

/// Bytes of the quoted text, or else of the word, that `text` begins with; 1 where it begins with neither.
std::size_t token_length(std::string_view text) {
  if (text.empty()) return 1;
  const char quote = text.front();
  if (quote == '"' || quote == '\'') {
    for (std::size_t at = 1; at < text.size(); ++at) {
      if (quote == '"' && text[at] == '\\') {
        ++at;
      } else if (text[at] == quote) {
        if (quote == '"' || at + 1 == text.size() || text[at + 1] != quote) return at + 1;
        ++at;
      }
    }
    return 1;
  }
  const auto end = std::ranges::find_if_not(text, is_word);
  return std::max<std::size_t>(static_cast<std::size_t>(end - text.begin()), 1);
}

auto order(const Position& position) {
  return std::tuple(position.line, position.column);
}

}  // namespace

void locate(std::vector<Problem>& problems, std::string_view text, const Node* root) {
  if (problems.empty()) return;
  std::vector<Place> places;
  std::vector<std::size_t> sorted;
  if (root != nullptr) {
    places = places_of(*root);
    sorted.resize(places.size());
    for (std::size_t i = 0; i < sorted.size(); ++i) sorted[i] = i;
    std::ranges::stable_sort(sorted, {}, [&](std::size_t at) { return order(places[at].position); });
  }
  for (Problem& problem : problems) {
    if (problem.position.line < 1) continue;
    TRV_ASSERT(problem.position.column >= 1);
    const std::string_view line = line_of(text, problem.position.line);
    const std::size_t column = std::min(static_cast<std::size_t>(problem.position.column - 1), line.size());
    const std::string_view rest = line.substr(column);
    std::size_t length = token_length(rest);
    const auto [first, last] = std::ranges::equal_range(sorted, order(problem.position), {},
                                                        [&](std::size_t at) { return order(places[at].position); });
    for (auto at = first; at != last; ++at) {
      const std::string_view written = places[*at].written;
      if (!written.empty() && rest.starts_with(written)) length = std::max(length, written.size());
    }
    if (problem.length == 0) problem.length = static_cast<int>(length);
    problem.length = std::clamp(problem.length, 1, std::max(static_cast<int>(rest.size()), 1));
    // What is missing is missing in the outermost value that begins here; anything else is about the innermost.
    const auto at = first == last || !problem.is_missing ? last : first + 1;
    if (at != sorted.begin()) problem.pointer = pointer_to(places, *(at - 1));
    TRV_ENSURES(problem.length >= 1);
  }
}

void name_fields(std::vector<std::shared_ptr<ExpressionPlace>>& places, const Node& root) {
  // Several may be in one text.
  std::map<std::size_t, ExpressionPlace*> first;
  for (const auto& place : places) first.emplace(place->offset, place.get());
  std::size_t left = first.size();
  std::string pointer;
  name_fields_in(root, pointer, first, left);
  for (const auto& place : places) {
    if (place->field.empty()) place->field = first.at(place->offset)->field;
  }
}

json::Value members_of(const Problem& problem, std::string_view text) {
  json::Value out = json::Value::object();
  out.set("severity", problem.is_warning ? "warning" : "error");
  const auto& [line, column, offset] = problem.position;
  if (line > 0) {
    out.set("line", json::Value(line));
    out.set("column", json::Value(column));
    out.set("end_column", json::Value(column + std::max(problem.length, 1)));
    out.set("pointer", json::Value(problem.pointer));
    std::string_view source = line_of(text, line);
    std::size_t begin = 0;
    if (source.size() > source_bytes_max) {
      const std::size_t place = std::min(static_cast<std::size_t>(column - 1), source.size());
      begin = std::min(place - std::min(place, source_bytes_max / 2), source.size() - source_bytes_max);
      std::size_t end = begin + source_bytes_max;
      const auto continues = [&](std::size_t at) {
        return at < source.size() && (static_cast<unsigned char>(source[at]) & 0xC0U) == 0x80U;
      };
      while (continues(begin)) ++begin;
      while (continues(end)) --end;
      source = source.substr(begin, end - begin);
    }
    if (!source.empty()) out.set("source", json::Value(source));
    if (begin > 0) out.set("source_column", json::Value(static_cast<std::int64_t>(begin) + 1));
  }
  if (!problem.expected.empty()) out.set("expected", json::Value(problem.expected));
  if (!problem.suggestion.empty()) out.set("suggestion", json::Value(problem.suggestion));
  return out;
}

}  // namespace trv::definition
