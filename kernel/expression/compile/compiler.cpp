#include "kernel/expression/compile/compiler.hpp"

#include <fmt/format.h>

#include "kernel/expression/syntax/lexer.hpp"
#include "sdk/base/contract.hpp"

namespace trv::expression {
namespace {
constexpr std::size_t slots_max = 60'000;  // a frame's slots; bounds what one call costs
}

Compiler::FunctionScope::FunctionScope(Compiler& owner, int function)
    : compiler(owner), function_before(owner.function_), level_before(owner.level_), scope_before(owner.scope_) {
  owner.function_ = function;
  ++owner.level_;
}

Compiler::FunctionScope::~FunctionScope() {
  TRV_ASSERT(compiler.level_ == level_before + 1);
  compiler.function_ = function_before;
  compiler.level_ = level_before;
  compiler.scope_ = scope_before;
}

base::Result<Code> Compiler::compile(const SyntaxTree& tree, std::span<const std::string> variables) {
  code_.variables = variables.size();
  function_ = add_function();
  for (std::size_t i = 0; i < variables.size(); ++i) {
    bind(Binding::Kind::global, variables[i], 0, static_cast<int>(i));
  }
  root_scope_ = scope_;
  expression(*tree.root);
  emit(Opcode::output);
  TRV_ENSURES(level_ == 0 && function_ == 0 && scope_ == root_scope_);
  if (error_) return base::fail(std::move(*error_));
  return std::move(code_);
}

std::vector<Instruction>& Compiler::instructions() const {
  TRV_EXPECTS(static_cast<std::size_t>(function_) < code_.functions.size());
  return const_cast<Compiler*>(this)->code_.functions[static_cast<std::size_t>(function_)].instructions;
}

int Compiler::here() const {
  return static_cast<int>(instructions().size());
}

int Compiler::emit(Opcode opcode, int a, int b, int extra, int flag) {
  TRV_EXPECTS(extra >= 0 && extra <= UINT16_MAX && flag >= 0 && flag <= UINT8_MAX);
  instructions().push_back({opcode, static_cast<std::uint8_t>(flag), static_cast<std::uint16_t>(extra), a, b});
  return here() - 1;
}

int Compiler::new_slots(int count) {
  TRV_EXPECTS(count > 0);
  Function& function = code_.functions[static_cast<std::size_t>(function_)];
  const int first = static_cast<int>(function.slots);
  function.slots += static_cast<std::uint32_t>(count);
  if (function.slots > slots_max && !error_) {
    error_ = base::Error(base::ErrorCode::too_large, "the program is too large: one function needs too many slots");
  }
  return first;
}

int Compiler::new_slot() {
  return new_slots(1);
}

int Compiler::add_constant(json::Value value) {
  code_.constants.push_back(std::move(value));
  return static_cast<int>(code_.constants.size()) - 1;
}

int Compiler::add_function() {
  code_.functions.emplace_back();
  return static_cast<int>(code_.functions.size()) - 1;
}

void Compiler::fail(const Node& node, std::string message) {
  if (!error_) error_ = error_at(text_, node.offset, base::ErrorCode::invalid, std::move(message));
}

const Compiler::Binding* Compiler::bind(Binding::Kind kind, std::string_view name, int arity, int index) {
  TRV_EXPECTS(arity >= 0 && index >= 0);
  scope_ = &bindings_.emplace_back(Binding{kind, name, arity, level_, index, scope_});
  return scope_;
}

const Compiler::Binding* Compiler::find(Binding::Kind kind, std::string_view name) const {
  for (const Binding* binding = scope_; binding != nullptr; binding = binding->outer) {
    if (binding->name != name) continue;
    if (binding->kind == kind) return binding;
    if (kind == Binding::Kind::variable && binding->kind == Binding::Kind::global) return binding;
  }
  return nullptr;
}

const Compiler::Binding* Compiler::find_function(std::string_view name, int arity) const {
  for (const Binding* binding = scope_; binding != nullptr; binding = binding->outer) {
    const bool callable = binding->kind == Binding::Kind::function || binding->kind == Binding::Kind::parameter;
    if (callable && binding->arity == arity && binding->name == name) return binding;
  }
  return nullptr;
}

void Compiler::expression(const Node& node) {
  if (error_) return;
  switch (node.kind) {
    case NodeKind::identity: return;
    case NodeKind::constant: return load_constant(node.constant);
    case NodeKind::string: return string(node);
    case NodeKind::format:
      if (const auto format = find_format(node.text)) {
        emit(Opcode::format, 0, 0, static_cast<int>(*format));
      } else {
        fail(node, fmt::format("{} is not a valid format", node.text));
      }
      return;
    case NodeKind::variable: return variable(node);
    case NodeKind::index: return index(node);
    case NodeKind::slice: return slice(node);
    case NodeKind::iterate:
      expression(*node.children[0]);
      emit(Opcode::iterate, 0, 0, 0, node.optional ? 1 : 0);
      return;
    case NodeKind::array: return array(node);
    case NodeKind::object: return object(node);
    case NodeKind::negate:
      apart(*node.children[0]);
      emit(Opcode::negate);
      return;
    case NodeKind::pipe:
      for (const Node* part : node.children) expression(*part);
      return;
    case NodeKind::comma: return comma(node);
    case NodeKind::binary: return binary(node);
    case NodeKind::and_:
    case NodeKind::or_: return logic(node);
    case NodeKind::alternative: return alternative(node);
    case NodeKind::assign: return assign(node);
    case NodeKind::condition: return condition(node);
    case NodeKind::attempt: return attempt(node);
    case NodeKind::reduce: return reduce(node);
    case NodeKind::foreach: return foreach (node);
    case NodeKind::bind: return bind_node(node);
    case NodeKind::label: return label(node);
    case NodeKind::break_:
      if (const Binding* binding = find(Binding::Kind::label, node.text)) {
        TRV_ASSERT(binding->level <= level_);
        emit(Opcode::cut, binding->index, 0, level_ - binding->level);
        emit(Opcode::backtrack);
      } else {
        fail(node, fmt::format("$*label-{} is not defined", node.text));
      }
      return;
    case NodeKind::call: return call(node);
    case NodeKind::define: return define(node);
  }
}

void Compiler::apart(const Node& node) {
  if (operand(node) || node.kind == NodeKind::identity) {
    expression(node);
    return;
  }
  emit(Opcode::suspend);
  expression(node);
  emit(Opcode::resume);
}

void Compiler::variable(const Node& node) {
  const Binding* binding = find(Binding::Kind::variable, node.text);
  if (binding == nullptr) {
    const bool left_out = node.text == "ENV" || node.text == "__prog_args";
    fail(node,
         left_out ? fmt::format("${} is not available here", node.text) : fmt::format("${} is not defined", node.text));
    return;
  }
  if (binding->kind == Binding::Kind::global) {
    emit(Opcode::global, binding->index);
  } else {
    emit(Opcode::load, binding->index, 0, level_ - binding->level);
  }
}

std::optional<Compiler::Operand> Compiler::operand(const Node& node) const {
  if (node.kind == NodeKind::constant) {
    return Operand{OperandMode::constant, const_cast<Compiler*>(this)->add_constant(node.constant)};
  }
  if (node.kind != NodeKind::variable) return std::nullopt;
  const Binding* binding = find(Binding::Kind::variable, node.text);
  if (binding == nullptr) return std::nullopt;
  if (binding->kind == Binding::Kind::global) return Operand{OperandMode::global, binding->index};
  if (binding->level == level_) return Operand{OperandMode::slot, binding->index};
  return std::nullopt;
}

// Evaluates `node` on the value in `input_slot`, apart from the path, and says where the answer is.
Compiler::Operand Compiler::evaluate_operand(const Node& node, int input_slot) {
  if (const auto direct = operand(node)) return *direct;
  emit(Opcode::load, input_slot);
  apart(node);
  const int slot = new_slot();
  emit(Opcode::store_move, slot);
  return {OperandMode::slot, slot};
}

void Compiler::string(const Node& node) {
  Format format = Format::text;
  if (!node.text.empty()) {
    const auto found = find_format(node.text);
    if (!found) return fail(node, fmt::format("{} is not a valid format", node.text));
    format = *found;
  }
  // The last interpolation is the outermost loop.
  const int input = new_slot();
  emit(Opcode::store_move, input);
  std::vector<Operand> parts(node.children.size());
  for (std::size_t i = node.children.size(); i-- > 0;) {
    const Node& part = *node.children[i];
    if (part.literal) {
      parts[i] = {OperandMode::constant, add_constant(part.constant)};
      continue;
    }
    emit(Opcode::load, input);
    apart(part);
    emit(Opcode::format, 0, 0, static_cast<int>(format));
    parts[i] = {OperandMode::slot, new_slot()};
    emit(Opcode::store_move, parts[i].index);
  }
  const int text = new_slot();
  load_constant(json::Value(""));
  emit(Opcode::store_move, text);
  for (const Operand part : parts) emit(Opcode::append_text, text, part.index, static_cast<int>(part.mode));
  emit(Opcode::move, text);
}

void Compiler::index(const Node& node) {
  TRV_EXPECTS(node.children.size() == 2);
  const Node& base = *node.children[0];
  const Node& key = *node.children[1];
  const int optional = node.optional ? 1 : 0;
  if (key.kind == NodeKind::constant && key.constant.is_string()) {
    expression(base);
    emit(Opcode::field, add_constant(key.constant), 0, 0, optional);
    return;
  }
  Operand at{};
  if (const auto direct = operand(key)) {
    at = *direct;
    expression(base);
  } else {
    const int input = new_slot();
    emit(Opcode::store, input);
    at = evaluate_operand(key, input);
    emit(Opcode::load, input);
    expression(base);
  }
  emit(Opcode::index, at.index, 0, static_cast<int>(at.mode), optional);
}

void Compiler::slice(const Node& node) {
  TRV_EXPECTS(node.children.size() == 3 && node.children[0] != nullptr);
  const int input = new_slot();
  const int bounds = new_slots(2);
  emit(Opcode::store, input);
  for (int i = 0; i < 2; ++i) {
    const Node* bound = node.children[static_cast<std::size_t>(i) + 1];
    if (bound == nullptr) {
      load_constant(json::Value());
    } else {
      emit(Opcode::load, input);
      apart(*bound);
    }
    emit(Opcode::store_move, bounds + i);
  }
  emit(Opcode::load, input);
  expression(*node.children[0]);
  emit(Opcode::slice, bounds, 0, 0, node.optional ? 1 : 0);
}

std::optional<json::Value> Compiler::fold(const Node& node) const {
  if (node.kind == NodeKind::constant) return node.constant;
  if (node.kind == NodeKind::array) {
    json::Value array = json::Value::array();
    if (node.children.empty()) return array;
    const Node& body = *node.children[0];
    if (body.kind != NodeKind::comma) {
      auto only = fold(body);
      if (!only) return std::nullopt;
      array.push_back(std::move(*only));
      return array;
    }
    for (const Node* part : body.children) {
      auto item = fold(*part);
      if (!item) return std::nullopt;
      array.push_back(std::move(*item));
    }
    return array;
  }
  if (node.kind == NodeKind::object) {
    json::Value object = json::Value::object();
    for (std::size_t i = 0; i < node.children.size(); i += 2) {
      if (node.children[i]->kind != NodeKind::constant) return std::nullopt;
      auto value = fold(*node.children[i + 1]);
      if (!value) return std::nullopt;
      object.set(node.children[i]->constant, std::move(*value));
    }
    return object;
  }
  return std::nullopt;
}

void Compiler::array(const Node& node) {
  TRV_EXPECTS(node.children.size() <= 1);
  if (auto constant = fold(node)) return load_constant(std::move(*constant));
  const Node& body = *node.children[0];
  if (outputs(body) == Outputs::one) {
    apart(body);
    emit(Opcode::wrap);
    return;
  }
  collect(body);
}

void Compiler::collect(const Node& body) {
  const int input = new_slot();
  const int result = new_slot();
  emit(Opcode::store, input);
  load_constant(json::Value::array());
  emit(Opcode::store_move, result);
  emit(Opcode::load, input);
  const int fork = emit(Opcode::fork);
  apart(body);
  emit(Opcode::append, result);
  emit(Opcode::backtrack);
  target(fork);
  emit(Opcode::move, result);
}

void Compiler::object(const Node& node) {
  TRV_EXPECTS(node.children.size() % 2 == 0);
  if (auto constant = fold(node)) return load_constant(std::move(*constant));
  const int input = new_slot();
  emit(Opcode::store_move, input);
  int result = new_slot();
  emit(Opcode::new_object, result);
  bool in_place = true;
  for (std::size_t i = 0; i < node.children.size(); i += 2) {
    const Node& key_node = *node.children[i];
    const Node& value_node = *node.children[i + 1];
    const Operand key = evaluate_operand(key_node, input);
    emit(Opcode::load, input);
    apart(value_node);
    const bool single = leaves_no_fork(key_node) && leaves_no_fork(value_node);
    const int next = single ? result : new_slot();
    in_place = in_place && single;
    emit(Opcode::set_entry, result, next);
    emit_operand(key);
    result = next;
  }
  emit(in_place ? Opcode::move : Opcode::load, result);
}

void Compiler::comma(const Node& node) {
  TRV_EXPECTS(node.children.size() >= 2);
  std::vector<int> jumps;
  for (std::size_t i = 0; i + 1 < node.children.size(); ++i) {
    const int fork = emit(Opcode::fork);
    expression(*node.children[i]);
    jumps.push_back(emit(Opcode::jump));
    target(fork);
  }
  expression(*node.children.back());
  for (const int jump : jumps) target(jump);
}

void Compiler::binary(const Node& node) {
  TRV_EXPECTS(node.children.size() == 2);
  const Node& left = *node.children[0];
  const Node& right = *node.children[1];
  Operand at{};
  if (const auto direct = operand(right)) {
    at = *direct;
    apart(left);
  } else {
    // The right side is the outer loop.
    const int input = new_slot();
    emit(Opcode::store, input);
    at = evaluate_operand(right, input);
    emit(leaves_no_fork(right) ? Opcode::move : Opcode::load, input);
    apart(left);
  }
  emit(Opcode::binary, at.index, static_cast<int>(at.mode), static_cast<int>(node.op));
}

void Compiler::logic(const Node& node) {
  TRV_EXPECTS(node.children.size() == 2);
  const bool is_and = node.kind == NodeKind::and_;
  const int input = new_slot();
  emit(Opcode::store, input);
  apart(*node.children[0]);
  const int shortcut = emit(is_and ? Opcode::jump_if_false : Opcode::jump_if_true);
  emit(Opcode::load, input);
  apart(*node.children[1]);
  target(shortcut);
  emit(Opcode::boolean);
}

void Compiler::alternative(const Node& node) {
  TRV_EXPECTS(node.children.size() == 2);
  const Node& left = *node.children[0];
  const Node& right = *node.children[1];
  const int input = new_slot();
  emit(Opcode::store, input);
  // Where a path may be followed, the right side has to begin at the input's path, to which only a fork goes back.
  if (outputs(left) == Outputs::one && level_ == 0 && path_depth_ == 0) {
    expression(left);
    const int found = emit(Opcode::jump_if_true);
    emit(Opcode::load, input);
    expression(right);
    target(found);
    return;
  }
  const int found = new_slot();
  load_constant(json::Value(false));
  emit(Opcode::store_move, found);
  emit(Opcode::load, input);
  const int fork = emit(Opcode::fork);
  expression(left);
  const int truthy = emit(Opcode::jump_if_true);
  emit(Opcode::backtrack);
  target(truthy);
  const int output = new_slot();
  emit(Opcode::store, output);
  load_constant(json::Value(true));
  emit(Opcode::store_move, found);
  emit(Opcode::load, output);
  const int done = emit(Opcode::jump);
  target(fork);
  emit(Opcode::load, found);
  const int none = emit(Opcode::jump_if_false);
  emit(Opcode::backtrack);
  target(none);
  emit(Opcode::load, input);
  expression(right);
  target(done);
}

void Compiler::condition(const Node& node) {
  TRV_EXPECTS(node.children.size() >= 3 && node.children.size() % 2 == 1);
  std::vector<int> ends;
  const int input = new_slot();
  emit(Opcode::store, input);
  std::size_t i = 0;
  for (; i + 1 < node.children.size(); i += 2) {
    if (i > 0) emit(Opcode::load, input);
    apart(*node.children[i]);
    const int next = emit(Opcode::jump_if_false);
    emit(Opcode::load, input);
    expression(*node.children[i + 1]);
    ends.push_back(emit(Opcode::jump));
    target(next);
  }
  emit(Opcode::load, input);
  if (node.children[i] != nullptr) expression(*node.children[i]);
  for (const int end : ends) target(end);
}

void Compiler::attempt(const Node& node) {
  TRV_EXPECTS(node.children.size() == 2 && node.children[0] != nullptr);
  const int attempt_slot = new_slot();
  const int begin = emit(Opcode::try_begin, 0, attempt_slot);
  expression(*node.children[0]);
  emit(Opcode::try_end, attempt_slot);
  if (node.children[1] == nullptr) return;
  const int done = emit(Opcode::jump);
  target(begin);
  expression(*node.children[1]);
  target(done);
}

void Compiler::label(const Node& node) {
  const Binding* before = scope_;
  const int mark = new_slot();
  emit(Opcode::mark, mark);
  bind(Binding::Kind::label, node.text, 0, mark);
  expression(*node.children[0]);
  scope_ = before;
}

void Compiler::define(const Node& node) {
  TRV_EXPECTS(node.children.size() == 2);
  const Binding* before = scope_;
  compile_function(node.text, node.parameters, *node.children[0]);
  expression(*node.children[1]);
  scope_ = before;
}

}  // namespace trv::expression
