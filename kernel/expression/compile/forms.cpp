// Builtins that become instructions in place, with their arguments compiled in place.

#include <fmt/format.h>

#include "kernel/expression/builtins/prelude.hpp"
#include "kernel/expression/compile/compiler.hpp"
#include "sdk/base/contract.hpp"

namespace trv::expression {
namespace {

json::Value builtin_names() {
  json::Value names = json::Value::array();
  const auto add = [&names](std::string_view name, int arity) {
    if (!name.starts_with('_')) names.push_back(json::Value(fmt::format("{}/{}", name, arity)));
  };
  for (const auto natives : {math_natives(), string_natives(), collection_natives(), time_natives(), regex_natives()}) {
    for (const Native& native : natives) add(native.name, native.arity);
  }
  for (const auto& [name, arity] : prelude_names()) add(name, arity);
  for (const std::string_view name : {"empty", "not", "builtins"}) add(name, 0);
  for (const std::string_view name : {"select", "map", "first", "last", "isempty", "path", "getpath", "range"}) {
    add(name, 1);
  }
  for (const std::string_view name : {"limit", "skip", "range"}) add(name, 2);
  add("range", 3);
  return names;
}

}  // namespace

bool Compiler::special_form(const Node& node) {
  const std::string_view name = node.text;
  const auto& arguments = node.children;
  switch (arguments.size()) {
    case 0:
      if (name == "empty") {
        emit(Opcode::backtrack);
      } else if (name == "not") {
        emit(Opcode::not_);
      } else if (name == "builtins") {
        load_constant(builtin_names());
      } else {
        return false;
      }
      return true;
    case 1:
      if (name == "select") {
        form_select(*arguments[0]);
      } else if (name == "map") {
        Node each;
        each.kind = NodeKind::iterate;
        Node identity;
        each.children = {&identity};
        Node pipe;
        pipe.kind = NodeKind::pipe;
        pipe.children = {&each, arguments[0]};
        collect(pipe);
      } else if (name == "first") {
        form_first(*arguments[0]);
      } else if (name == "last") {
        form_last(*arguments[0]);
      } else if (name == "isempty") {
        form_is_empty(*arguments[0]);
      } else if (name == "range") {
        form_range(node);
      } else if (name == "path") {
        path_of(*arguments[0]);
      } else if (name == "getpath") {
        const int input = new_slot();
        emit(Opcode::store, input);
        const Operand path = evaluate_operand(*arguments[0], input);
        emit(Opcode::load, input);
        emit(Opcode::get_path, path.index, 0, static_cast<int>(path.mode));
      } else {
        return false;
      }
      return true;
    case 2:
      if (name == "limit") {
        form_limit(*arguments[0], *arguments[1]);
      } else if (name == "skip") {
        form_skip(*arguments[0], *arguments[1]);
      } else if (name == "range") {
        form_range(node);
      } else {
        return false;
      }
      return true;
    case 3:
      if (name != "range") return false;
      form_range(node);
      return true;
    default: return false;
  }
}

void Compiler::form_select(const Node& condition) {
  const int input = new_slot();
  emit(Opcode::store, input);
  apart(condition);
  emit(Opcode::backtrack_unless);
  emit(Opcode::load, input);
}

void Compiler::form_first(const Node& generator) {
  const int mark = new_slot();
  emit(Opcode::mark, mark);
  expression(generator);
  emit(Opcode::cut, mark);
}

void Compiler::form_last(const Node& generator) {
  const int input = new_slot();
  const int found = new_slot();
  const int value = new_slot();
  emit(Opcode::store, input);
  load_constant(json::Value(false));
  emit(Opcode::store_move, found);
  emit(Opcode::load, input);
  const int fork = emit(Opcode::fork);
  expression(generator);
  emit(Opcode::store_move, value);
  load_constant(json::Value(true));
  emit(Opcode::store_move, found);
  emit(Opcode::backtrack);
  target(fork);
  emit(Opcode::load, found);
  emit(Opcode::backtrack_unless);
  emit(Opcode::move, value);
}

void Compiler::form_is_empty(const Node& generator) {
  const int mark = new_slot();
  emit(Opcode::mark, mark);
  const int fork = emit(Opcode::fork);
  apart(generator);
  emit(Opcode::cut, mark);
  load_constant(json::Value(false));
  const int done = emit(Opcode::jump);
  target(fork);
  emit(Opcode::cut, mark);
  load_constant(json::Value(true));
  target(done);
}

void Compiler::form_limit(const Node& count, const Node& generator) {
  const int input = new_slot();
  const int left = new_slot();
  const int mark = new_slot();
  emit(Opcode::store, input);
  apart(count);
  emit(Opcode::store_move, left);
  emit(Opcode::check_count, left, add_constant(json::Value("limit doesn't support negative count")), 0, 1);
  emit(Opcode::mark, mark);
  emit(Opcode::load, input);
  expression(generator);
  emit(Opcode::count_down, left, mark);
}

void Compiler::form_skip(const Node& count, const Node& generator) {
  const int input = new_slot();
  const int left = new_slot();
  emit(Opcode::store, input);
  apart(count);
  emit(Opcode::store_move, left);
  emit(Opcode::check_count, left, add_constant(json::Value("skip doesn't support negative count")));
  emit(Opcode::load, input);
  expression(generator);
  emit(Opcode::skip_while, left);
}

void Compiler::form_range(const Node& node) {
  const int input = new_slot();
  const int bounds = new_slots(3);
  const auto& arguments = node.children;
  TRV_EXPECTS(!arguments.empty() && arguments.size() <= 3);
  emit(Opcode::store, input);
  load_constant(json::Value(0));
  emit(Opcode::store_move, bounds);
  load_constant(json::Value(1));
  emit(Opcode::store_move, bounds + 2);
  const std::size_t offset = arguments.size() == 1 ? 1 : 0;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    emit(Opcode::load, input);
    apart(*arguments[i]);
    emit(Opcode::store_move, bounds + static_cast<int>(i + offset));
  }
  emit(Opcode::range, bounds);
}

}  // namespace trv::expression
