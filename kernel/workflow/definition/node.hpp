#pragma once
// The tree of a definition's text, the same for YAML and JSON, with a position on every node.
// Plain values; any thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/json/reader.hpp"
#include "sdk/base/result.hpp"

namespace trv::definition {

enum class Format { yaml, json };

using json::Position;

struct Entry;

struct Node {
  enum class Kind { null, boolean, integer, number, string, sequence, mapping };

  Kind kind = Kind::null;
  Position position;
  bool boolean = false;
  /// string: the value. integer, number: a JSON number. Else empty.
  std::string text;
  std::vector<Node> items;     ///< sequence
  std::vector<Entry> entries;  ///< mapping, in text order; keys are unique

  [[nodiscard]] bool is_string() const noexcept { return kind == Kind::string; }
  [[nodiscard]] bool is_mapping() const noexcept { return kind == Kind::mapping; }
  [[nodiscard]] bool is_sequence() const noexcept { return kind == Kind::sequence; }
  /// The value of a key; nullptr where there is none or this is not a mapping.
  [[nodiscard]] const Node* find(std::string_view key) const noexcept;
};

struct Entry {
  std::string key;
  Position position;  ///< of the key
  Node value;
};

/// "a string", "a mapping", …: for messages.
[[nodiscard]] std::string_view describe(Node::Kind kind) noexcept;

/// The node that a JSON pointer leads to; nullptr where there is none.
[[nodiscard]] const Node* at_pointer(const Node& root, std::string_view pointer);
/// A name as a part of a JSON pointer (RFC 6901).
[[nodiscard]] std::string pointer_part(std::string_view name);

/// JSON text of the subtree, keys in text order.
[[nodiscard]] std::string to_json(const Node& node);

inline constexpr std::size_t text_bytes_max = 256 * 1024;
inline constexpr int depth_max = 64;
/// Counted after aliases are expanded.
inline constexpr std::size_t nodes_max = 20'000;

/// Reads one document. YAML 1.2 core schema: `on` and `yes` are strings, quoting is honoured, aliases are copies.
/// Refuses with a position: duplicate keys, keys that are not strings, several documents, unknown tags, numbers without
/// a JSON form, and anything over the bounds above. JSON is RFC 8259, nothing more.
/// Error: invalid or too_large.
[[nodiscard]] base::Result<Node> read(std::string_view text, Format format);

}  // namespace trv::definition
