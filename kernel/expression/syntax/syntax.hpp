#pragma once
// The syntax tree of a program, as the parser leaves it. Owned by SyntaxTree; nodes point into it.

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "kernel/json/value.hpp"

namespace trv::expression {

enum class NodeKind : std::uint8_t {
  identity,     // .
  constant,     // constant
  string,       // text = format or ""; children: the parts, literal parts as constants
  format,       // text = name with @
  variable,     // text = name without $
  index,        // children: term, key; optional
  slice,        // children: term, from or null, to or null; optional
  iterate,      // children: term; optional
  array,        // children: none or one
  object,       // children: key, value, key, value, …
  negate,       // children: one
  pipe,         // children: two or more
  comma,        // children: two or more
  binary,       // op; children: left, right
  and_,         // children: left, right
  or_,          // children: left, right
  alternative,  // children: left, right
  assign,       // op; children: path, right
  condition,    // children: if, then, if, then, …, else or null
  attempt,      // children: body, handler or null
  reduce,       // children: source, initial, update; patterns
  foreach,      // children: source, initial, update, extract or null; patterns
  bind,         // children: source, body; patterns
  label,        // text = name; children: body
  break_,       // text = name
  call,         // text = name; children: arguments
  define,       // text = name; parameters; children: function body, rest
};

enum class Operator : std::uint8_t {
  add,
  subtract,
  multiply,
  divide,
  modulo,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  assign,       // =
  update,       // |=
  alternative,  // //=, as the operator of an assignment
};

struct Node;

struct Pattern {
  enum class Kind : std::uint8_t { variable, array, object } kind = Kind::variable;
  std::uint32_t offset = 0;
  std::string name;
  struct Part {
    Node* key = nullptr;         // objects: the key; null where the variable names it
    std::string variable;        // objects: $name, bound to the whole part
    Pattern* pattern = nullptr;  // null for a variable alone
  };
  std::vector<Part> parts;
};

struct Node {
  NodeKind kind = NodeKind::identity;
  Operator op = Operator::add;
  bool optional = false;
  bool literal = false;      // of a string: text that is in it, not an expression
  std::uint32_t offset = 0;  // into the text
  std::uint32_t depth = 1;
  std::string text;
  json::Value constant;
  std::vector<Node*> children;
  std::vector<Pattern*> patterns;       // more than one: tried in order, as ?// says
  std::vector<std::string> parameters;  // with $ where they are values
};

struct SyntaxTree {
  std::deque<Node> nodes;
  std::deque<Pattern> patterns;
  Node* root = nullptr;
};

}  // namespace trv::expression
