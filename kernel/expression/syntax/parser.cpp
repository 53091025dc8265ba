#include "kernel/expression/syntax/parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "kernel/expression/syntax/infix.hpp"
#include "kernel/expression/syntax/lexer.hpp"
#include "sdk/base/contract.hpp"

namespace trv::expression {
namespace {

constexpr int nesting_max = 300;           // brackets and prefixes; each costs a few frames of our own stack
constexpr std::uint32_t depth_max = 1000;  // of the tree, which operator chains deepen too

// After the first error the current token stays `end`, so every loop ends and the tree is thrown away.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), lexer_(text) { advance(); }

  base::Result<SyntaxTree> parse() {
    tree_.root = query();
    TRV_ASSERT(tree_.root != nullptr && nesting_ == 0);
    if (!error_ && token_.kind != TokenKind::end) unexpected("the end of the program");
    if (error_) return base::fail(std::move(*error_));
    return std::move(tree_);
  }

 private:
  struct Nesting {
    explicit Nesting(Parser& outer) : parser(outer) {
      if (++parser.nesting_ > nesting_max) {
        parser.fail(base::ErrorCode::too_large, fmt::format("nested deeper than the limit of {}", nesting_max));
      }
    }
    ~Nesting() {
      --parser.nesting_;
      TRV_ENSURES(parser.nesting_ >= 0);
    }
    Parser& parser;
  };

  void fail(base::ErrorCode code, std::string message) {
    if (!error_) error_ = error_at(text_, token_.offset, code, std::move(message));
    token_ = Token{TokenKind::end, token_.offset, {}, {}};
  }
  void unexpected(std::string_view expected) {
    if (token_.kind == TokenKind::end) {
      fail(base::ErrorCode::invalid, fmt::format("syntax error, unexpected end of the program, expected {}", expected));
      return;
    }
    const std::string what = token_.kind == TokenKind::string_begin ? "a string"
                             : token_.kind == TokenKind::number     ? "a number"
                                                                    : fmt::format("'{}'", token_.text);
    fail(base::ErrorCode::invalid, fmt::format("syntax error, unexpected {}, expected {}", what, expected));
  }
  void advance() {
    if (error_) return;
    token_ = lexer_.next();
    if (token_.kind == TokenKind::invalid) fail(base::ErrorCode::invalid, token_.text);
  }
  bool accept(std::string_view punctuation) {
    if (!token_.is(punctuation)) return false;
    advance();
    return true;
  }
  void expect(std::string_view punctuation) {
    if (!accept(punctuation)) unexpected(fmt::format("'{}'", punctuation));
  }
  bool accept_keyword(std::string_view word) {
    if (!token_.is_keyword(word)) return false;
    advance();
    return true;
  }
  void expect_keyword(std::string_view word) {
    if (!accept_keyword(word)) unexpected(fmt::format("'{}'", word));
  }
  std::string expect_variable() {
    std::string name = token_.text;
    if (token_.kind != TokenKind::variable) {
      unexpected("a variable");
      return {};
    }
    advance();
    return name;
  }

  Node* make(NodeKind kind, std::uint32_t offset, std::vector<Node*> children = {}, std::string text = {}) {
    Node& node = tree_.nodes.emplace_back();
    node.kind = kind;
    node.offset = offset;
    node.children = std::move(children);
    node.text = std::move(text);
    for (const Node* child : node.children) {
      if (child != nullptr) node.depth = std::max(node.depth, child->depth + 1);
    }
    if (node.depth > depth_max) {
      fail(base::ErrorCode::too_large, fmt::format("an operator chain longer than the limit of {}", depth_max));
    }
    return &node;
  }
  Node* make_constant(std::uint32_t offset, json::Value value) {
    Node* node = make(NodeKind::constant, offset);
    node->constant = std::move(value);
    return node;
  }

  // A part of a comma list; `ends` is set where it reached to the end of the query.
  Node* comma_part(bool& ends) {
    const std::uint32_t offset = token_.offset;
    if (token_.is_keyword("def")) {
      ends = true;
      return definition();
    }
    if (accept_keyword("label")) {
      std::string name = expect_variable();
      expect("|");
      ends = true;
      return make(NodeKind::label, offset, {query()}, std::move(name));
    }
    Node* part = expression(1);
    if (!token_.is_keyword("as")) return part;
    auto alternatives = patterns();
    expect("|");
    ends = true;
    Node* node = make(NodeKind::bind, offset, {part, query()});
    node->patterns = std::move(alternatives);
    return node;
  }

  Node* query() {
    const Nesting nesting(*this);
    const std::uint32_t offset = token_.offset;
    if (token_.is_keyword("import") || token_.is_keyword("include") || token_.is_keyword("module")) {
      fail(base::ErrorCode::invalid, "modules are not available here");
    }
    std::vector<Node*> piped;
    bool ends = false;
    do {
      std::vector<Node*> parts;
      do {
        parts.push_back(comma_part(ends));
      } while (!ends && accept(","));
      piped.push_back(parts.size() == 1 ? parts[0] : make(NodeKind::comma, offset, std::move(parts)));
    } while (!ends && accept("|"));
    return piped.size() == 1 ? piped[0] : make(NodeKind::pipe, offset, std::move(piped));
  }

  Node* definition() {
    const Nesting nesting(*this);
    const std::uint32_t offset = token_.offset;
    advance();
    std::string name = token_.text;
    if (token_.kind != TokenKind::identifier && token_.kind != TokenKind::keyword) unexpected("a function name");
    advance();
    std::vector<std::string> parameters;
    if (accept("(")) {
      do {
        if (token_.kind == TokenKind::variable) {
          parameters.push_back("$" + token_.text);
        } else if (token_.kind == TokenKind::identifier || token_.kind == TokenKind::keyword) {
          parameters.push_back(token_.text);
        } else {
          unexpected("a parameter");
        }
        advance();
      } while (accept(";"));
      expect(")");
    }
    expect(":");
    Node* body = query();
    expect(";");
    if (token_.kind == TokenKind::end && !error_) {
      unexpected("an expression after the definition");
    }
    Node* node = make(NodeKind::define, offset, {body, query()}, std::move(name));
    node->parameters = std::move(parameters);
    return node;
  }

  const Infix* infix() const {
    if (token_.kind != TokenKind::punctuation && token_.kind != TokenKind::keyword) return nullptr;
    for (const Infix& candidate : infixes) {
      if (candidate.text == token_.text) return &candidate;
    }
    return nullptr;
  }

  Node* expression(int precedence_min) {
    TRV_EXPECTS(precedence_min >= 1 && precedence_min <= infix_precedence_max + 1);
    const Nesting nesting(*this);
    Node* left = prefix();
    int none_at = 0;
    while (const Infix* op = infix()) {
      if (op->precedence < precedence_min) break;
      if (op->associativity == Associativity::none) {
        if (none_at == op->precedence) {
          unexpected("parentheses: this operator does not chain");
          break;
        }
        none_at = op->precedence;
      } else {
        none_at = 0;
      }
      const std::uint32_t offset = token_.offset;
      advance();
      Node* right = expression(op->associativity == Associativity::right ? op->precedence : op->precedence + 1);
      left = make(op->kind, offset, {left, right});
      left->op = op->op;
    }
    return left;
  }

  Node* prefix() {
    const std::uint32_t offset = token_.offset;
    if (accept("-")) {
      const Nesting nesting(*this);
      Node* operand = prefix();
      if (operand->kind == NodeKind::constant && operand->constant.is_number()) {
        const json::Value& number = operand->constant;
        return make_constant(offset, number.is_int() && number.as_int() != 0 ? json::Value(-number.as_int())
                                                                             : json::Value(-number.as_double()));
      }
      return make(NodeKind::negate, offset, {operand});
    }
    if (accept_keyword("try")) {
      const Nesting nesting(*this);
      Node* body = prefix();
      Node* handler = accept_keyword("catch") ? prefix() : nullptr;
      return make(NodeKind::attempt, offset, {body, handler});
    }
    return postfix();
  }

  Node* postfix() {
    Node* node = term();
    while (true) {
      const std::uint32_t offset = token_.offset;
      if (token_.kind == TokenKind::field) {
        Node* key = make_constant(offset, json::Value(token_.text));
        advance();
        node = make(NodeKind::index, offset, {node, key});
      } else if (accept("?")) {
        const bool indexing =
            node->kind == NodeKind::index || node->kind == NodeKind::slice || node->kind == NodeKind::iterate;
        if (indexing && !node->optional && node != parenthesised_) {
          node->optional = true;
        } else {
          node = make(NodeKind::attempt, offset, {node, nullptr});
        }
      } else if (token_.is("[")) {
        node = brackets(node);
      } else if (token_.is(".")) {
        advance();
        if (token_.kind == TokenKind::string_begin) {
          node = make(NodeKind::index, offset, {node, string({})});
        } else if (token_.is("[")) {
          node = brackets(node);
        } else {
          unexpected("a field name, a string or '['");
        }
      } else {
        return node;
      }
    }
  }

  Node* brackets(Node* base) {
    const std::uint32_t offset = token_.offset;
    advance();
    if (accept("]")) return make(NodeKind::iterate, offset, {base});
    if (accept(":")) {
      Node* to = query();
      expect("]");
      return make(NodeKind::slice, offset, {base, nullptr, to});
    }
    Node* first = query();
    if (accept(":")) {
      Node* to = token_.is("]") ? nullptr : query();
      expect("]");
      return make(NodeKind::slice, offset, {base, first, to});
    }
    expect("]");
    return make(NodeKind::index, offset, {base, first});
  }

  // The opening quote is the current token.
  Node* string(std::string format) {
    const std::uint32_t offset = token_.offset;
    std::vector<Node*> parts;
    while (!error_) {
      std::string literal;
      const auto end = lexer_.read_string_part(literal);
      if (end == Lexer::StringEnd::invalid) {
        token_.offset = lexer_.offset();
        fail(base::ErrorCode::invalid, std::move(literal));
        break;
      }
      if (!literal.empty() || parts.empty()) {
        parts.push_back(make_constant(offset, json::Value(literal)));
        parts.back()->literal = true;
      }
      if (end == Lexer::StringEnd::quote) {
        advance();
        break;
      }
      advance();
      parts.push_back(query());
      // The text of the string goes on right behind the parenthesis.
      if (!token_.is(")")) unexpected("')'");
    }
    if (parts.size() == 1) {
      // Whole, it is a value: within another string an interpolation, which that string's format encodes.
      parts[0]->literal = false;
      return parts[0];
    }
    return make(NodeKind::string, offset, std::move(parts), std::move(format));
  }

  Node* term() {
    const Nesting nesting(*this);
    const std::uint32_t offset = token_.offset;
    switch (token_.kind) {
      case TokenKind::number: {
        Node* node = make_constant(offset, token_.number);
        advance();
        return node;
      }
      case TokenKind::string_begin: return string({});
      case TokenKind::format: {
        std::string name = token_.text;
        advance();
        if (token_.kind == TokenKind::string_begin) return string(std::move(name));
        return make(NodeKind::format, offset, {}, std::move(name));
      }
      case TokenKind::field: return make(NodeKind::identity, offset);
      case TokenKind::variable: {
        std::string name = token_.text;
        advance();
        if (name == "__loc__") return location(offset);
        return make(NodeKind::variable, offset, {}, std::move(name));
      }
      case TokenKind::identifier: return call();
      case TokenKind::keyword: return keyword();
      case TokenKind::punctuation: return punctuation();
      default: unexpected("an expression"); return make(NodeKind::identity, offset);
    }
  }

  Node* location(std::uint32_t offset) {
    return make_constant(offset, json::Value{{"file", "<top-level>"}, {"line", line_of(text_, offset)}});
  }

  Node* call() {
    const std::uint32_t offset = token_.offset;
    std::string name = token_.text;
    advance();
    if (name == "break" && token_.kind == TokenKind::variable) {
      return make(NodeKind::break_, offset, {}, expect_variable());
    }
    if (!token_.is("(")) {
      if (name == "null") return make_constant(offset, json::Value());
      if (name == "true" || name == "false") return make_constant(offset, json::Value(name == "true"));
    }
    std::vector<Node*> arguments;
    if (accept("(")) {
      do {
        arguments.push_back(query());
      } while (accept(";"));
      expect(")");
    }
    return make(NodeKind::call, offset, std::move(arguments), std::move(name));
  }

  Node* keyword() {
    const std::uint32_t offset = token_.offset;
    if (accept_keyword("if")) return condition(offset);
    if (accept_keyword("reduce")) return fold(NodeKind::reduce, offset);
    if (accept_keyword("foreach")) return fold(NodeKind::foreach, offset);
    unexpected("an expression");
    return make(NodeKind::identity, offset);
  }

  Node* condition(std::uint32_t offset) {
    std::vector<Node*> parts;
    do {
      parts.push_back(query());
      expect_keyword("then");
      parts.push_back(query());
    } while (accept_keyword("elif"));
    parts.push_back(accept_keyword("else") ? query() : nullptr);
    expect_keyword("end");
    TRV_ENSURES(parts.size() >= 3 && parts.size() % 2 == 1);
    return make(NodeKind::condition, offset, std::move(parts));
  }

  Node* fold(NodeKind kind, std::uint32_t offset) {
    std::vector<Node*> parts{expression(1)};
    auto alternatives = patterns();
    expect("(");
    parts.push_back(query());
    expect(";");
    parts.push_back(query());
    if (kind == NodeKind::foreach) parts.push_back(accept(";") ? query() : nullptr);
    expect(")");
    Node* node = make(kind, offset, std::move(parts));
    node->patterns = std::move(alternatives);
    return node;
  }

  Node* punctuation() {
    const std::uint32_t offset = token_.offset;
    if (token_.is(".")) {
      advance();
      Node* node = make(NodeKind::identity, offset);
      if (token_.kind == TokenKind::string_begin) return make(NodeKind::index, offset, {node, string({})});
      return node;
    }
    if (accept("..")) return make(NodeKind::call, offset, {}, "recurse");
    if (accept("(")) {
      Node* node = query();
      expect(")");
      parenthesised_ = node;
      return node;
    }
    if (accept("[")) {
      std::vector<Node*> content;
      if (!token_.is("]")) content.push_back(query());
      expect("]");
      return make(NodeKind::array, offset, std::move(content));
    }
    if (accept("{")) return object(offset);
    unexpected("an expression");
    return make(NodeKind::identity, offset);
  }

  Node* object(std::uint32_t offset) {
    std::vector<Node*> parts;
    if (accept("}")) return make(NodeKind::object, offset);
    do {
      object_entry(parts);
    } while (accept(","));
    expect("}");
    return make(NodeKind::object, offset, std::move(parts));
  }

  void object_entry(std::vector<Node*>& parts) {
    const std::uint32_t offset = token_.offset;
    Node* key = nullptr;
    Node* implied = nullptr;
    if (token_.kind == TokenKind::variable) {
      std::string name = token_.text;
      advance();
      implied = name == "__loc__" ? location(offset) : make(NodeKind::variable, offset, {}, name);
      key = token_.is(":") ? implied : make_constant(offset, json::Value(name));
    } else if (token_.kind == TokenKind::identifier || token_.kind == TokenKind::keyword) {
      key = make_constant(offset, json::Value(token_.text));
      advance();
      implied = make(NodeKind::index, offset, {make(NodeKind::identity, offset), key});
    } else if (token_.kind == TokenKind::string_begin || token_.kind == TokenKind::format) {
      std::string format;
      if (token_.kind == TokenKind::format) {
        format = token_.text;
        advance();
      }
      if (token_.kind != TokenKind::string_begin) {
        unexpected("a string");
        return;
      }
      key = string(std::move(format));
      implied = make(NodeKind::index, offset, {make(NodeKind::identity, offset), key});
    } else if (accept("(")) {
      key = query();
      expect(")");
      if (!token_.is(":")) unexpected("':'");
    } else {
      unexpected("an object key");
      return;
    }
    if (key->kind == NodeKind::constant && !key->constant.is_string()) {
      fail(base::ErrorCode::invalid, fmt::format("cannot use {} as object key", to_string(key->constant.kind())));
      return;
    }
    parts.push_back(key);
    parts.push_back(accept(":") ? object_value() : implied);
    TRV_ENSURES(parts.size() % 2 == 0);
  }

  Node* object_value() {
    const std::uint32_t offset = token_.offset;
    std::vector<Node*> piped;
    do {
      piped.push_back(expression(1));
    } while (accept("|"));
    return piped.size() == 1 ? piped[0] : make(NodeKind::pipe, offset, std::move(piped));
  }

  std::vector<Pattern*> patterns() {
    expect_keyword("as");
    std::vector<Pattern*> alternatives;
    do {
      alternatives.push_back(pattern());
    } while (accept("?//"));
    return alternatives;
  }

  Pattern* pattern() {
    const Nesting nesting(*this);
    Pattern& result = tree_.patterns.emplace_back();
    result.offset = token_.offset;
    if (accept("[")) {
      result.kind = Pattern::Kind::array;
      do {
        result.parts.push_back({nullptr, {}, pattern()});
      } while (accept(","));
      expect("]");
    } else if (accept("{")) {
      result.kind = Pattern::Kind::object;
      do {
        result.parts.push_back(object_pattern_part());
      } while (accept(","));
      expect("}");
    } else {
      result.name = expect_variable();
    }
    return &result;
  }

  Pattern::Part object_pattern_part() {
    Pattern::Part part;
    const std::uint32_t offset = token_.offset;
    if (token_.kind == TokenKind::variable) {
      part.variable = expect_variable();
      part.key = make_constant(offset, json::Value(part.variable));
      if (!accept(":")) return part;
    } else {
      if (token_.kind == TokenKind::identifier || token_.kind == TokenKind::keyword) {
        part.key = make_constant(offset, json::Value(token_.text));
        advance();
      } else if (token_.kind == TokenKind::string_begin) {
        part.key = string({});
      } else if (accept("(")) {
        part.key = query();
        expect(")");
      } else {
        unexpected("a key");
        return part;
      }
      if (part.key->kind == NodeKind::constant && !part.key->constant.is_string()) {
        fail(base::ErrorCode::invalid,
             fmt::format("cannot use {} as object key", to_string(part.key->constant.kind())));
        return part;
      }
      expect(":");
    }
    part.pattern = pattern();
    return part;
  }

  std::string_view text_;
  Lexer lexer_;
  Token token_;
  SyntaxTree tree_;
  const Node* parenthesised_ = nullptr;
  std::optional<base::Error> error_;
  int nesting_ = 0;
};

}  // namespace

base::Result<SyntaxTree> parse(std::string_view text) {
  return Parser(text).parse();
}

}  // namespace trv::expression
