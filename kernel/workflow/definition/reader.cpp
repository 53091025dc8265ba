// The door of the reader: what holds for a text before its syntax is looked at.

#include "kernel/json/reader.hpp"

#include <fmt/format.h>

#include "kernel/workflow/definition/node.hpp"
#include "kernel/workflow/definition/problems.hpp"
#include "kernel/workflow/definition/syntax.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::definition {
namespace {

// YAML 1.2.2 §5.1, c-printable, with a byte order mark at the beginning only.
bool is_printable(char32_t code, bool first) {
  if (code < 0xA0) return (code >= 0x20 && code < 0x7F) || code == '\n' || code == '\r' || code == '\t' || code == 0x85;
  return code != 0xFFFE && code != 0xFFFF && (code != 0xFEFF || first);
}

base::Status check_characters(std::string_view text) {
  Position position;
  while (position.offset < text.size()) {
    std::size_t next = position.offset;
    const char32_t code = base::next_code_point(text, next);
    const std::string_view bytes = text.substr(position.offset, next - position.offset);
    if (code == base::replacement_character && !base::is_utf8(bytes)) {
      return base::fail(base::Error(base::ErrorCode::invalid, "the text is not UTF-8 here; save the file as UTF-8")
                            .at(position.line, position.column));
    }
    if (!is_printable(code, position.offset == 0)) {
      return base::fail(base::Error(base::ErrorCode::invalid,
                                    fmt::format("a definition cannot contain the control character U+{:04X}; write it "
                                                "as an escape in double quotes",
                                                static_cast<std::uint32_t>(code)))
                            .at(position.line, position.column));
    }
    position.offset = next;
    if (code == '\n') {
      ++position.line;
      position.column = 1;
    } else {
      position.column += static_cast<int>(bytes.size());
    }
  }
  TRV_ENSURES(position.offset == text.size());
  return {};
}

/// The node that the next value becomes.
Node& place_in(Node& root, const std::vector<Node*>& open) {
  if (open.empty()) return root;
  Node& parent = *open.back();
  TRV_ASSERT(parent.is_sequence() || (parent.is_mapping() && !parent.entries.empty()));
  return parent.is_sequence() ? parent.items.emplace_back() : parent.entries.back().value;
}

base::Result<Node> read_json(std::string_view text) {
  using json::Piece;
  json::Reader reader(
      text, {.bytes_max = text_bytes_max, .depth_max = depth_max, .duplicate_keys = json::DuplicateKeys::refused});
  Node root;
  std::vector<Node*> open;  // each parent keeps its last child in place until that is closed
  std::size_t nodes = 0;
  while (true) {
    TRV_TRY_ASSIGN(const Piece piece, reader.next());
    if (piece == Piece::document_end) return root;
    if (piece == Piece::array_end || piece == Piece::object_end) {
      open.pop_back();
      continue;
    }
    if (piece == Piece::key) {
      open.back()->entries.push_back({.key = std::string(reader.text()), .position = reader.position(), .value = {}});
      continue;
    }
    if (++nodes > nodes_max) {
      return base::fail(
          base::Error(base::ErrorCode::too_large,
                      fmt::format("more than {} nodes (values, lists and mappings); split the definition", nodes_max))
              .at(reader.position().line, reader.position().column));
    }
    Node& node = place_in(root, open);
    node.position = reader.position();
    switch (piece) {
      case Piece::boolean:
        node.kind = Node::Kind::boolean;
        node.boolean = reader.text() == "true";
        break;
      case Piece::number:
        node.text = reader.text();
        node.kind = node.text.find_first_of(".eE") == std::string::npos ? Node::Kind::integer : Node::Kind::number;
        break;
      case Piece::string:
        node.kind = Node::Kind::string;
        node.text = reader.text();
        break;
      case Piece::array_begin:
      case Piece::object_begin:
        node.kind = piece == Piece::array_begin ? Node::Kind::sequence : Node::Kind::mapping;
        open.push_back(&node);
        break;
      default: TRV_ASSERT(piece == Piece::null); break;
    }
  }
}

}  // namespace

base::Result<Node> read(std::string_view text, Format format) {
  if (text.size() > text_bytes_max) {
    return base::fail(base::ErrorCode::too_large,
                      fmt::format("the definition has {} bytes; expected at most {}", text.size(), text_bytes_max));
  }
  TRV_TRY(check_characters(text));
  base::Result<Node> root = format == Format::json ? read_json(text) : syntax::read_yaml(text);
  if (root) return root;
  const base::Error& error = root.error();
  return base::fail(base::Error(error.code(), readable(error.message())).at(error.line(), error.column()));
}

}  // namespace trv::definition
