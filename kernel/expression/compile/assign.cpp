// Assignments. A state slot holds the value being changed and is its only owner, so that changes happen in place.

#include "kernel/expression/compile/compiler.hpp"
#include "sdk/base/contract.hpp"

namespace trv::expression {

std::optional<json::Value> Compiler::constant_path(const Node& path) const {
  if (path.kind == NodeKind::identity) return json::Value::array();
  if (path.kind != NodeKind::index || path.optional || path.children[1]->kind != NodeKind::constant) {
    return std::nullopt;
  }
  const json::Value& key = path.children[1]->constant;
  if (!key.is_string() && !key.is_int()) return std::nullopt;
  auto base = constant_path(*path.children[0]);
  if (base) base->push_back(key);
  return base;
}

void Compiler::path_of(const Node& path) {
  emit(Opcode::path_begin);
  ++path_depth_;
  expression(path);
  --path_depth_;
  emit(Opcode::path_end);
}

void Compiler::assign(const Node& node) {
  TRV_EXPECTS(node.children.size() == 2);
  const Node& path = *node.children[0];
  const Node& right = *node.children[1];
  emit(Opcode::suspend);
  if (node.op == Operator::update) {
    update(path, right);
  } else if (node.op == Operator::assign) {
    set_all(path, right);
  } else {
    arithmetic_update(node.op, path, right);
  }
  emit(Opcode::resume);
}

// path = right: each output of the right side, computed from the input, is set at all paths.
void Compiler::set_all(const Node& path, const Node& right) {
  const int input = new_slot();
  const int state = new_slot();
  emit(Opcode::store, input);
  const Operand value = operand(right) ? *operand(right) : evaluate_operand(right, input);
  const Operand stored = [&] {
    if (value.mode == OperandMode::slot) return value;
    const int slot = new_slot();
    emit(value.mode == OperandMode::constant ? Opcode::constant : Opcode::global, value.index);
    emit(Opcode::store_move, slot);
    return Operand{OperandMode::slot, slot};
  }();
  TRV_ASSERT(stored.mode == OperandMode::slot);
  emit(leaves_no_fork(right) ? Opcode::move : Opcode::load, input);
  if (const auto constant = constant_path(path)) {
    emit(Opcode::store_move, state);
    emit(Opcode::load, stored.index);
    emit(Opcode::set_path, state, add_constant(*constant), static_cast<int>(OperandMode::constant));
    emit(Opcode::move, state);
    return;
  }
  emit(Opcode::store, state);
  const int fork = emit(Opcode::fork);
  path_of(path);
  const int at = new_slot();
  emit(Opcode::store_move, at);
  emit(Opcode::load, stored.index);
  emit(Opcode::set_path, state, at, static_cast<int>(OperandMode::slot));
  emit(Opcode::backtrack);
  target(fork);
  emit(Opcode::move, state);
}

// path |= change: the first output of `change` at each path; where there is none, the path is deleted at the end.
void Compiler::update(const Node& path, const Node& change) {
  const int state = new_slot();
  const int deleted = new_slot();
  const int at = new_slot();
  const int mark = new_slot();
  emit(Opcode::store, state);
  load_constant(json::Value::array());
  emit(Opcode::store_move, deleted);
  emit(Opcode::load, state);
  const int fork = emit(Opcode::fork);
  path_of(path);
  emit(Opcode::store_move, at);
  emit(Opcode::mark, mark);
  const int nothing = emit(Opcode::fork);
  emit(leaves_no_fork(change) ? Opcode::take_path : Opcode::peek_path, state, at, static_cast<int>(OperandMode::slot));
  expression(change);
  emit(Opcode::cut, mark);
  emit(Opcode::set_path, state, at, static_cast<int>(OperandMode::slot));
  emit(Opcode::backtrack);
  target(nothing);
  emit(Opcode::load, at);
  emit(Opcode::append, deleted);
  emit(Opcode::backtrack);
  target(fork);
  emit(Opcode::move, state);
  emit(Opcode::delete_paths, deleted);
}

// path op= right: each output of the right side, computed from the input, is applied at all paths.
void Compiler::arithmetic_update(Operator op, const Node& path, const Node& right) {
  const int input = new_slot();
  const int state = new_slot();
  const int value = new_slot();
  const int at = new_slot();
  emit(Opcode::store, input);
  apart(right);
  emit(Opcode::store_move, value);
  emit(leaves_no_fork(right) ? Opcode::move : Opcode::load, input);
  emit(Opcode::store, state);
  const int fork = emit(Opcode::fork);
  path_of(path);
  emit(Opcode::store_move, at);
  const int slot_mode = static_cast<int>(OperandMode::slot);
  if (op == Operator::alternative) {
    emit(Opcode::peek_path, state, at, slot_mode);
    const int present = emit(Opcode::jump_if_true);
    emit(Opcode::load, value);
    target(present);
  } else {
    emit(Opcode::take_path, state, at, slot_mode);
    emit(Opcode::binary, value, slot_mode, static_cast<int>(op));
  }
  emit(Opcode::set_path, state, at, slot_mode);
  emit(Opcode::backtrack);
  target(fork);
  emit(Opcode::move, state);
}

}  // namespace trv::expression
