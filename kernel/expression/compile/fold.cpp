// Variables, destructuring, reduce and foreach.

#include <algorithm>

#include "kernel/expression/compile/compiler.hpp"
#include "sdk/base/contract.hpp"

namespace trv::expression {

void Compiler::store_variable(std::string_view name) {
  const Binding* binding = find(Binding::Kind::variable, name);
  TRV_ASSERT(binding != nullptr && binding->level == level_);
  emit(Opcode::store, binding->index);
}

void Compiler::pattern_names(const Pattern& pattern, Names& names) const {
  const auto add = [&names](std::string_view name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  add(pattern.name);
  for (const auto& part : pattern.parts) {
    add(part.variable);
    if (part.pattern != nullptr) pattern_names(*part.pattern, names);
  }
}

// Binds the variables of a pattern, whose bindings exist, from the current value.
void Compiler::match_pattern(const Pattern& pattern) {
  if (pattern.kind == Pattern::Kind::variable) return store_variable(pattern.name);
  const int whole = new_slot();
  emit(Opcode::store_move, whole);
  for (std::size_t i = 0; i < pattern.parts.size(); ++i) {
    const auto& part = pattern.parts[i];
    Operand key{OperandMode::constant, 0};
    if (part.key == nullptr) {
      key.index = add_constant(json::Value(i));
    } else {
      key = evaluate_operand(*part.key, whole);
    }
    emit(Opcode::load, whole);
    emit(Opcode::index, key.index, 0, static_cast<int>(key.mode));
    if (!part.variable.empty()) store_variable(part.variable);
    if (part.pattern != nullptr) match_pattern(*part.pattern);
  }
}

// Binds the current value to the patterns' variables, which stay in scope. With several patterns an error, also one
// from what follows, goes on with the next.
void Compiler::destructure(const std::vector<Pattern*>& patterns, const Node&) {
  TRV_EXPECTS(!patterns.empty());
  Names names;
  for (const Pattern* pattern : patterns) pattern_names(*pattern, names);
  std::vector<int> slots;
  // Keys of a pattern can name variables bound before them, so the bindings come first.
  for (const std::string_view name : names) {
    slots.push_back(new_slot());
    bind(Binding::Kind::variable, name, 0, slots.back());
  }
  if (patterns.size() == 1 && patterns[0]->kind == Pattern::Kind::variable) {
    emit(Opcode::store_move, slots[0]);
    return;
  }
  emit(Opcode::suspend);
  if (patterns.size() == 1) {
    match_pattern(*patterns[0]);
    emit(Opcode::resume);
    return;
  }
  const int source = new_slot();
  emit(Opcode::store_move, source);
  std::vector<int> matched;
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    const bool last = i + 1 == patterns.size();
    const int fork = last ? 0 : emit(Opcode::fork_on_error);
    load_constant(json::Value());
    for (const int slot : slots) emit(Opcode::store, slot);
    emit(Opcode::load, source);
    match_pattern(*patterns[i]);
    if (last) break;
    matched.push_back(emit(Opcode::jump));
    target(fork);
  }
  for (const int jump : matched) target(jump);
  emit(Opcode::resume);
}

void Compiler::bind_node(const Node& node) {
  TRV_EXPECTS(node.children.size() == 2);
  const Binding* before = scope_;
  const Node& body = *node.children[1];
  const int input = new_slot();
  emit(Opcode::store, input);
  apart(*node.children[0]);
  destructure(node.patterns, node);
  emit(Opcode::load, input);
  expression(body);
  scope_ = before;
}

void Compiler::reduce(const Node& node) {
  TRV_EXPECTS(node.children.size() == 3);
  const Binding* before = scope_;
  const int input = new_slot();
  const int state = new_slot();
  emit(Opcode::store, input);
  apart(*node.children[1]);
  emit(Opcode::store_move, state);
  emit(leaves_no_fork(*node.children[1]) ? Opcode::move : Opcode::load, input);
  const int fork = emit(Opcode::fork);
  emit(Opcode::suspend);
  expression(*node.children[0]);
  destructure(node.patterns, node);
  emit(Opcode::move, state);
  expression(*node.children[2]);
  emit(Opcode::store_move, state);
  emit(Opcode::backtrack);
  target(fork);
  emit(Opcode::move, state);
  scope_ = before;
}

void Compiler::foreach (const Node& node) {
  TRV_EXPECTS(node.children.size() == 4);
  const Binding* before = scope_;
  const int input = new_slot();
  const int state = new_slot();
  emit(Opcode::store, input);
  apart(*node.children[1]);
  emit(Opcode::store_move, state);
  emit(leaves_no_fork(*node.children[1]) ? Opcode::move : Opcode::load, input);
  // The source may be part of a path, so that the extraction can answer with it; so may the update.
  expression(*node.children[0]);
  destructure(node.patterns, node);
  emit(Opcode::move, state);
  expression(*node.children[2]);
  emit(Opcode::store, state);
  if (node.children[3] != nullptr) expression(*node.children[3]);
  scope_ = before;
}

}  // namespace trv::expression
