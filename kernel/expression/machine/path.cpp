// Steps into values, with and without a path being followed.

#include <fmt/format.h>

#include "kernel/expression/machine/machine.hpp"
#include "kernel/json/value.hpp"
#include "sdk/base/contract.hpp"

namespace trv::expression {
namespace {

std::string shown(const json::Value& value) {
  const std::string described = describe(value);
  const std::size_t open = described.find('(');
  return described.substr(open + 1, described.size() - open - 2);
}

}  // namespace

// A step of a path must start from the value that the path leads to.
bool Machine::check_path(const json::Value* key) {
  TRV_EXPECTS(tracking());
  if (current_.identical(path_.value())) return true;
  allowance_.raise(json::Value(
      key == nullptr ? fmt::format("Invalid path expression near attempt to iterate through {}", shown(current_))
                     : fmt::format("Invalid path expression near attempt to access element {} of {}", shown(*key),
                                   shown(current_))));
  return false;
}

// The error of a step names the kind of the value; a reader wants to see the value itself.
bool Machine::fail_step() {
  if (allowance_.stopped() == Allowance::Stop::raised) allowance_.blame({}, {&current_, 1});
  return true;
}

bool Machine::step_field(const Instruction& instruction) {
  const json::Value& key = code_.constants[static_cast<std::size_t>(instruction.a)];
  const bool track = tracking();
  if (track && !check_path(&key)) return true;
  if (const json::Value* found = current_.find(key)) {
    current_ = json::Value(*found);
  } else if (current_.is_object() || current_.is_null()) {
    current_ = json::Value();
  } else if (instruction.flag != 0) {
    return backtrack();
  } else {
    (void)get_child(current_, key, allowance_);
    return fail_step();
  }
  if (track) path_.step(key, current_);
  return true;
}

bool Machine::step_index(const Instruction& instruction) {
  const json::Value& key = operand(static_cast<OperandMode>(instruction.extra), instruction.a);
  const bool track = tracking();
  if (track && !check_path(&key)) return true;
  json::Value child = get_child(current_, key, allowance_);
  if (allowance_.stopped() != Allowance::Stop::none) {
    if (allowance_.stopped() != Allowance::Stop::raised) return true;
    if (instruction.flag == 0) return fail_step();
    allowance_.clear();
    return backtrack();
  }
  if (track) path_.step(key, child);
  current_ = std::move(child);
  return true;
}

bool Machine::step_slice(const Instruction& instruction) {
  const json::Value& from = slot(instruction.a);
  const json::Value& to = slot(instruction.a + 1);
  const bool track = tracking();
  const json::Value key = track ? make_slice_key(from, to) : json::Value();
  if (track && !check_path(&key)) return true;
  json::Value part = get_slice(current_, from, to, allowance_);
  if (allowance_.stopped() != Allowance::Stop::none) {
    if (allowance_.stopped() != Allowance::Stop::raised) return true;
    if (instruction.flag == 0) return fail_step();
    allowance_.clear();
    return backtrack();
  }
  if (track) path_.step(key, part);
  current_ = std::move(part);
  return true;
}

bool Machine::step_get_path(const Instruction& instruction) {
  const json::Value& path = operand(static_cast<OperandMode>(instruction.extra), instruction.a);
  const bool track = tracking();
  if (track && !check_path(&path)) return true;
  json::Value found = trv::expression::get_path(current_, path, allowance_);
  if (allowance_.stopped() != Allowance::Stop::none) return true;
  if (track) {
    for (const json::Value& key : path.items()) path_.step(key, found);
  }
  current_ = std::move(found);
  return true;
}

bool Machine::begin_iteration(const Instruction& instruction) {
  if (!current_.is_array() && !current_.is_object()) {
    if (instruction.flag != 0) return backtrack();
    if (tracking() && !check_path(nullptr)) return true;
    allowance_.raise(json::Value(fmt::format("Cannot iterate over {}", describe(current_))));
    return true;
  }
  if (tracking() && !check_path(nullptr)) return true;
  const std::size_t size = current_.size();
  if (size == 0) return backtrack();
  const json::Value container = std::move(current_);
  if (size > 1) {
    push_fork(ForkKind::iterate, next_, container);
    if (allowance_.stopped() != Allowance::Stop::none) return true;
    forks_.back().position = 1;
  }
  enter_child(container, 0);
  return true;
}

void Machine::enter_child(const json::Value& container, std::uint32_t position) {
  if (container.is_array()) {
    current_ = container.at(position);
    if (tracking()) path_.step(json::Value(position), current_);
    return;
  }
  TRV_EXPECTS(position < container.size());
  const json::Entry& entry = container.entries()[position];
  current_ = entry.value;
  if (tracking()) path_.step(entry.key, current_);
}

bool Machine::range_has(const json::Value& at, const json::Value& to, const json::Value& by) {
  const int direction = by.as_double() > 0 ? 1 : by.as_double() < 0 ? -1 : 0;
  if (direction == 0 || at.as_double() != at.as_double() || to.as_double() != to.as_double()) return false;
  return direction * json::Value::compare(at, to) < 0;
}

bool Machine::begin_range(const Instruction& instruction) {
  const json::Value& from = slot(instruction.a);
  const json::Value& to = slot(instruction.a + 1);
  const json::Value& by = slot(instruction.a + 2);
  if (!from.is_number() || !to.is_number() || !by.is_number()) {
    allowance_.raise(json::Value("Range bounds must be numeric"));
    return true;
  }
  if (!range_has(from, to, by)) return backtrack();
  current_ = from;
  json::Value following = apply(Operator::add, from, by, allowance_);
  if (range_has(following, to, by)) push_fork(ForkKind::range, next_, std::move(following));
  return true;
}

void Machine::end_path() {
  TRV_EXPECTS(path_.active());
  if (!current_.identical(path_.value())) {
    allowance_.raise(json::Value(fmt::format("Invalid path expression with result {}", shown(current_))));
    return;
  }
  auto [keys, suspensions] = path_.end();
  current_ = std::move(keys);
  suspensions_ = suspensions;
}

}  // namespace trv::expression
