// Function calls: the program's own, those of C++, those of the prelude.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kernel/expression/builtins/prelude.hpp"
#include "kernel/expression/compile/compiler.hpp"
#include "kernel/expression/syntax/parser.hpp"
#include "sdk/base/contract.hpp"

namespace trv::expression {

void Compiler::call(const Node& node) {
  const int arity = static_cast<int>(node.children.size());
  if (const Binding* binding = find_function(node.text, arity)) return call_binding(node, *binding);
  if (special_form(node)) return;
  // Those that the prelude uses take what it gives them for granted. jq shows one.
  const bool hidden = node.text.starts_with('_') && node.text != "_strindices" && !in_prelude_;
  const Native* native = hidden ? nullptr : find_native(node.text, arity);
  if (native != nullptr) return call_native(node, *native);
  if (!hidden && call_prelude(node)) return;
  if (is_left_out(node.text)) {
    fail(node, fmt::format("function {}/{} is not available here", node.text, arity));
  } else {
    fail(node, fmt::format("{}/{} is not defined", node.text, arity));
  }
}

void Compiler::call_binding(const Node& node, const Binding& binding) {
  TRV_EXPECTS(binding.level <= level_);
  const int hops = level_ - binding.level;
  if (binding.kind == Binding::Kind::parameter) {
    emit(Opcode::call_parameter, binding.index, 0, hops);
    return;
  }
  const int at = emit(Opcode::call, binding.index, static_cast<int>(node.children.size()), hops);
  arguments(node);
  TRV_ASSERT(instructions()[static_cast<std::size_t>(at)].opcode == Opcode::call);
}

void Compiler::arguments(const Node& node) {
  for (const Node* argument : node.children) {
    if (argument->kind == NodeKind::call && argument->children.empty()) {
      const Binding* passed = find_function(argument->text, 0);
      if (passed != nullptr && passed->kind == Binding::Kind::parameter) {
        emit(Opcode::argument, passed->index, 0, level_ - passed->level, 1);
        continue;
      }
    }
    const int closure = add_function();
    {
      const FunctionScope inside(*this, closure);
      expression(*argument);
      emit(Opcode::return_);
    }
    emit(Opcode::argument, closure);
  }
}

int Compiler::compile_function(std::string_view name, const std::vector<std::string>& parameters, const Node& body) {
  const int function = add_function();
  code_.functions.back().parameters = static_cast<std::uint32_t>(parameters.size());
  bind(Binding::Kind::function, name, static_cast<int>(parameters.size()), function);
  const FunctionScope inside(*this, function);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    std::string_view parameter = parameters[i];
    if (parameter.starts_with('$')) parameter.remove_prefix(1);
    bind(Binding::Kind::parameter, parameter, 0, static_cast<int>(i));
  }
  if (std::any_of(parameters.begin(), parameters.end(), [](const auto& text) { return text.starts_with('$'); })) {
    const int input = new_slot();
    emit(Opcode::store, input);
    emit(Opcode::suspend);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (!parameters[i].starts_with('$')) continue;
      const int slot = new_slot();
      emit(Opcode::load, input);
      emit(Opcode::call_parameter, static_cast<int>(i));
      emit(Opcode::store_move, slot);
      bind(Binding::Kind::variable, std::string_view(parameters[i]).substr(1), 0, slot);
    }
    emit(Opcode::resume);
    emit(Opcode::load, input);
  }
  expression(body);
  emit(Opcode::return_);
  // A call whose next step is to return needs no frame of its own to return to.
  auto& list = instructions();
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].opcode != Opcode::call) continue;
    std::size_t next = i + 1 + static_cast<std::size_t>(list[i].b);
    // The last instruction is the return, so something is behind every call.
    TRV_ASSERT(next < list.size());
    while (list[next].opcode == Opcode::jump) next = static_cast<std::size_t>(list[next].a);
    if (list[next].opcode == Opcode::return_) list[i].opcode = Opcode::tail_call;
  }
  return function;
}

void Compiler::call_native(const Node& node, const Native& native) {
  auto& natives = code_.natives;
  const auto known = std::find(natives.begin(), natives.end(), &native);
  const int index = static_cast<int>(known - natives.begin());
  if (known == natives.end()) natives.push_back(&native);
  const std::size_t count = node.children.size();
  if (count == 0) {
    emit(Opcode::native, index, 0);
    return;
  }
  // The last argument is the outermost loop.
  const int input = new_slot();
  emit(Opcode::store, input);
  std::vector<Operand> operands(count);
  bool direct = true;
  for (std::size_t i = count; i-- > 0;) {
    direct = direct && operand(*node.children[i]).has_value();
    operands[i] = evaluate_operand(*node.children[i], input);
  }
  if (!direct) emit(Opcode::load, input);
  emit(Opcode::native, index, static_cast<int>(count));
  for (const Operand at : operands) emit_operand(at);
}

bool Compiler::call_prelude(const Node& node) {
  const int arity = static_cast<int>(node.children.size());
  const std::string_view text = find_prelude(node.text, arity);
  if (text.empty()) return false;
  const std::pair<std::string_view, int> key{node.text, arity};
  auto known = prelude_functions_.find(key);
  if (known == prelude_functions_.end()) {
    auto tree = parse(text);
    TRV_ASSERT(tree.has_value());
    const Node& definition = *prelude_trees_.emplace_back(std::move(*tree)).root;
    TRV_ASSERT(definition.kind == NodeKind::define);
    // The definition sees the builtins alone; it belongs to the program's first frame.
    const Binding* scope_before = scope_;
    const int function_before = function_;
    const int level_before = level_;
    scope_ = nullptr;
    function_ = 0;
    level_ = 0;
    const bool in_prelude_before = std::exchange(in_prelude_, true);
    known = prelude_functions_.emplace(key, static_cast<int>(code_.functions.size())).first;
    compile_function(definition.text, definition.parameters, *definition.children[0]);
    TRV_ASSERT(level_ == 0 && function_ == 0);
    scope_ = scope_before;
    function_ = function_before;
    level_ = level_before;
    in_prelude_ = in_prelude_before;
  }
  emit(Opcode::call, known->second, arity, level_);
  arguments(node);
  return true;
}

Compiler::Outputs Compiler::all_outputs(const std::vector<Node*>& nodes) const {
  Outputs result = Outputs::one;
  for (const Node* node : nodes) {
    if (node != nullptr) result = std::max(result, outputs(*node));
  }
  return result;
}

// Keys of a pattern are expressions.
Compiler::Outputs Compiler::pattern_outputs(const Pattern& pattern) const {
  Outputs result = Outputs::one;
  for (const auto& part : pattern.parts) {
    if (part.key != nullptr) result = std::max(result, outputs(*part.key));
    if (part.pattern != nullptr) result = std::max(result, pattern_outputs(*part.pattern));
  }
  return result;
}

Compiler::Outputs Compiler::outputs(const Node& node) const {
  switch (node.kind) {
    case NodeKind::identity:
    case NodeKind::constant:
    case NodeKind::format:
    case NodeKind::variable:
    case NodeKind::array: return Outputs::one;
    case NodeKind::index:
    case NodeKind::slice:
      return std::max(all_outputs(node.children), node.optional ? Outputs::at_most_one : Outputs::one);
    case NodeKind::string:
    case NodeKind::object:
    case NodeKind::negate:
    case NodeKind::pipe:
    case NodeKind::binary:
    case NodeKind::and_:
    case NodeKind::or_:
    case NodeKind::condition: return all_outputs(node.children);
    case NodeKind::attempt: return std::max(all_outputs(node.children), Outputs::at_most_one);
    case NodeKind::alternative:
      return outputs(*node.children[0]) == Outputs::one ? outputs(*node.children[1]) : Outputs::many;
    case NodeKind::assign: return node.op == Operator::update ? Outputs::one : outputs(*node.children[1]);
    case NodeKind::reduce: return outputs(*node.children[1]);
    case NodeKind::bind:
      if (node.patterns.size() > 1) return Outputs::many;
      return std::max(all_outputs(node.children), pattern_outputs(*node.patterns[0]));
    case NodeKind::call: return call_outputs(node);
    default: return Outputs::many;
  }
}

Compiler::Outputs Compiler::call_outputs(const Node& node) const {
  const int arity = static_cast<int>(node.children.size());
  if (find_function(node.text, arity) != nullptr) return Outputs::many;
  const auto is = [&](std::string_view name, int count) { return arity == count && node.text == name; };
  if (is("map", 1) || is("not", 0) || is("isempty", 1)) return Outputs::one;
  if (is("empty", 0)) return Outputs::at_most_one;
  if (is("select", 1)) return std::max(Outputs::at_most_one, outputs(*node.children[0]));
  if (is("getpath", 1)) return outputs(*node.children[0]);
  if (find_native(node.text, arity) != nullptr) return all_outputs(node.children);
  return Outputs::many;
}

}  // namespace trv::expression
