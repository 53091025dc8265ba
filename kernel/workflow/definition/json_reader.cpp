#include <fmt/format.h>

#include <unordered_set>

#include "kernel/workflow/definition/syntax.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition::syntax {
namespace {

using base::ErrorCode;

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  base::Result<Node> document() {
    skip_space();
    TRV_TRY_ASSIGN(Node root, value(1));
    skip_space();
    if (!at_end()) return refuse("nothing may follow the JSON document");
    TRV_ENSURES(nodes_ >= 1 && nodes_ <= nodes_max);
    return root;
  }

 private:
  [[nodiscard]] bool at_end() const { return position_.offset >= text_.size(); }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : text_[position_.offset]; }

  void advance() {
    TRV_EXPECTS(!at_end());
    if (text_[position_.offset] == '\n') {
      ++position_.line;
      position_.column = 1;
    } else {
      ++position_.column;
    }
    ++position_.offset;
  }

  void skip_space() {
    while (!at_end() && (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t')) advance();
  }

  [[nodiscard]] std::unexpected<base::Error> refuse(std::string message, ErrorCode code = ErrorCode::invalid) const {
    return base::fail(base::Error(code, std::move(message)).at(position_.line, position_.column));
  }

  [[nodiscard]] std::unexpected<base::Error> refuse_character(std::string_view wanted) const {
    if (at_end()) return refuse(fmt::format("the text ends; expected {}", wanted));
    return refuse(fmt::format("expected {}, found '{}'", wanted, peek()));
  }

  base::Result<Node> value(int depth) {
    TRV_EXPECTS(depth >= 1);
    if (depth > depth_max)
      return refuse(fmt::format("more than {} levels of nesting", depth_max), ErrorCode::too_large);
    if (++nodes_ > nodes_max) return refuse(fmt::format("more than {} nodes", nodes_max), ErrorCode::too_large);
    Node node;
    node.position = position_;
    switch (peek()) {
      case '{': TRV_TRY(mapping(node, depth)); return node;
      case '[': TRV_TRY(sequence(node, depth)); return node;
      case '"': {
        node.kind = Node::Kind::string;
        TRV_TRY_ASSIGN(node.text, string());
        return node;
      }
      case 't':
        TRV_TRY(word("true"));
        node.kind = Node::Kind::boolean;
        node.boolean = true;
        return node;
      case 'f':
        TRV_TRY(word("false"));
        node.kind = Node::Kind::boolean;
        return node;
      case 'n': TRV_TRY(word("null")); return node;
      default: TRV_TRY(number(node)); return node;
    }
  }

  base::Status word(std::string_view expected) {
    if (text_.substr(position_.offset, expected.size()) != expected) return refuse_character("a JSON value");
    for (std::size_t i = 0; i < expected.size(); ++i) advance();
    return {};
  }

  base::Status digits() {
    if (peek() < '0' || peek() > '9') return refuse_character("a digit");
    while (peek() >= '0' && peek() <= '9') advance();
    return {};
  }

  base::Status number(Node& node) {
    const std::size_t start = position_.offset;
    node.kind = Node::Kind::integer;
    if (peek() == '-') advance();
    if (peek() == '0') {
      advance();
    } else if (peek() >= '1' && peek() <= '9') {
      TRV_TRY(digits());
    } else {
      return refuse_character("a JSON value");
    }
    if (peek() == '.') {
      node.kind = Node::Kind::number;
      advance();
      TRV_TRY(digits());
    }
    if (peek() == 'e' || peek() == 'E') {
      node.kind = Node::Kind::number;
      advance();
      if (peek() == '+' || peek() == '-') advance();
      TRV_TRY(digits());
    }
    node.text = text_.substr(start, position_.offset - start);
    TRV_ENSURES(!node.text.empty());
    return {};
  }

  base::Result<std::uint32_t> four_digits() {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = peek();
      std::uint32_t digit = 0;
      if (c >= '0' && c <= '9') {
        digit = static_cast<std::uint32_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        digit = static_cast<std::uint32_t>(c - 'a' + 10);
      } else if (c >= 'A' && c <= 'F') {
        digit = static_cast<std::uint32_t>(c - 'A' + 10);
      } else {
        return refuse_character("a hexadecimal digit");
      }
      code = code * 16 + digit;
      advance();
    }
    return code;
  }

  static void append_utf8(std::string& out, std::uint32_t code) {
    if (code < 0x80) {
      out.push_back(static_cast<char>(code));
    } else if (code < 0x800) {
      out.push_back(static_cast<char>(0xC0 | (code >> 6)));
      out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
      out.push_back(static_cast<char>(0xE0 | (code >> 12)));
      out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
      out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
    } else {
      out.push_back(static_cast<char>(0xF0 | (code >> 18)));
      out.push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
      out.push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
      out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
    }
  }

  base::Status escape(std::string& out) {
    const char c = peek();
    static constexpr std::string_view names = "\"\\/bfnrt";
    static constexpr std::string_view values = "\"\\/\b\f\n\r\t";
    if (const std::size_t found = at_end() ? std::string_view::npos : names.find(c); found != std::string_view::npos) {
      out.push_back(values[found]);
      advance();
      return {};
    }
    if (c != 'u') return refuse_character("an escape of JSON");
    advance();
    TRV_TRY_ASSIGN(std::uint32_t code, four_digits());
    if (code >= 0xDC00 && code <= 0xDFFF) return refuse("a low surrogate without its high surrogate before it");
    if (code >= 0xD800 && code <= 0xDBFF) {
      if (!text_.substr(position_.offset).starts_with("\\u")) {
        return refuse("a high surrogate without its low surrogate after it");
      }
      advance();
      advance();
      TRV_TRY_ASSIGN(const std::uint32_t low, four_digits());
      if (low < 0xDC00 || low > 0xDFFF) return refuse("a high surrogate without its low surrogate after it");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    append_utf8(out, code);
    return {};
  }

  base::Result<std::string> string() {
    TRV_EXPECTS(peek() == '"');
    std::string out;
    advance();
    while (true) {
      if (at_end()) return refuse("the text ends within a string");
      const char c = peek();
      if (static_cast<unsigned char>(c) < 0x20)
        return refuse("a control character must be escaped within a JSON string");
      if (c == '"') break;
      advance();
      if (c == '\\') {
        TRV_TRY(escape(out));
      } else {
        out.push_back(c);
      }
    }
    advance();
    return out;
  }

  base::Status sequence(Node& node, int depth) {
    TRV_EXPECTS(peek() == '[' && depth <= depth_max);
    node.kind = Node::Kind::sequence;
    advance();
    skip_space();
    if (peek() == ']') {
      advance();
      return {};
    }
    while (true) {
      skip_space();
      TRV_TRY_ASSIGN(Node item, value(depth + 1));
      node.items.push_back(std::move(item));
      skip_space();
      if (peek() == ']') {
        advance();
        return {};
      }
      if (peek() != ',') return refuse_character("',' or ']'");
      advance();
    }
  }

  base::Status mapping(Node& node, int depth) {
    TRV_EXPECTS(peek() == '{' && depth <= depth_max);
    node.kind = Node::Kind::mapping;
    advance();
    skip_space();
    if (peek() == '}') {
      advance();
      return {};
    }
    std::unordered_set<std::string> keys;
    while (true) {
      skip_space();
      if (peek() != '"') return refuse_character("a key in double quotes");
      Entry entry;
      entry.position = position_;
      TRV_TRY_ASSIGN(entry.key, string());
      if (!keys.insert(entry.key).second) {
        return base::fail(base::Error(ErrorCode::invalid, fmt::format("the key '{}' occurs twice", entry.key))
                              .at(entry.position.line, entry.position.column));
      }
      skip_space();
      if (peek() != ':') return refuse_character("':'");
      advance();
      skip_space();
      TRV_TRY_ASSIGN(entry.value, value(depth + 1));
      node.entries.push_back(std::move(entry));
      skip_space();
      if (peek() == '}') {
        advance();
        return {};
      }
      if (peek() != ',') return refuse_character("',' or '}'");
      advance();
    }
  }

  std::string_view text_;
  Position position_;
  std::size_t nodes_ = 0;
};

}  // namespace

base::Result<Node> read_json(std::string_view text) {
  return JsonReader(text).document();
}

}  // namespace trv::definition::syntax
