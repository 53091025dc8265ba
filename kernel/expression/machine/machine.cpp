#include "kernel/expression/machine/machine.hpp"

#include "sdk/base/contract.hpp"

namespace trv::expression {

Machine::Machine(const Code& code, json::Value input, const Environment& environment, const Budget& budget)
    : code_(code),
      environment_(environment),
      allowance_(budget.fuel, budget.memory_bytes_max),
      metering_(allowance_.meter()),
      depth_max_(static_cast<std::size_t>(budget.depth_max)),
      stack_bytes_max_(budget.memory_bytes_max),
      current_(std::move(input)) {
  TRV_EXPECTS(environment.variables.size() == code.variables);
  TRV_EXPECTS(budget.depth_max > 0);
  TRV_EXPECTS(!code.functions.empty());
  push_frame(code.functions.front(), 0, nullptr, 0);
}

std::optional<json::Value> Machine::next() {
  const bool more = started_ ? backtrack() : true;
  started_ = true;
  TRV_ASSERT(!frames_.empty() && frame_ < frames_.size());
  if (!more || !run()) return std::nullopt;
  return std::move(current_);
}

const json::Value& Machine::operand(OperandMode mode, std::int32_t index) const noexcept {
  const auto at = static_cast<std::size_t>(index);
  switch (mode) {
    case OperandMode::constant: return code_.constants[at];
    case OperandMode::global: return environment_.variables[at];
    case OperandMode::slot: break;
  }
  return slots_[base_ + at];
}

// True with an output as current value; false at the end, or when the evaluation stopped.
bool Machine::run() {
  while (true) {
    if (!allowance_.charge(1 + allowance_.meter().take_work())) return false;
    if (allowance_.meter().exceeded()) {
      allowance_.stop(Allowance::Stop::memory);
      return false;
    }
    const Instruction& instruction = *next_++;
    bool alive = true;
    switch (instruction.opcode) {
      case Opcode::constant: current_ = code_.constants[static_cast<std::size_t>(instruction.a)]; break;
      case Opcode::load:
        if (instruction.extra == 0) {
          current_ = slot(instruction.a);
        } else {
          current_ = slots_[frames_[frame_out(instruction.extra)].slots + static_cast<std::uint32_t>(instruction.a)];
        }
        break;
      case Opcode::move: current_ = std::move(slot(instruction.a)); break;
      case Opcode::store: slot(instruction.a) = current_; break;
      case Opcode::store_move: slot(instruction.a) = std::move(current_); break;
      case Opcode::global: current_ = environment_.variables[static_cast<std::size_t>(instruction.a)]; break;
      case Opcode::field: alive = step_field(instruction); break;
      case Opcode::index: alive = step_index(instruction); break;
      case Opcode::slice: alive = step_slice(instruction); break;
      case Opcode::iterate: alive = begin_iteration(instruction); break;
      case Opcode::binary: {
        const json::Value& right = operand(static_cast<OperandMode>(instruction.b), instruction.a);
        current_ = apply(static_cast<Operator>(instruction.extra), std::move(current_), right, allowance_);
        break;
      }
      case Opcode::negate: current_ = negate(current_, allowance_); break;
      case Opcode::not_: current_ = json::Value(!current_.is_truthy()); break;
      case Opcode::boolean: current_ = json::Value(current_.is_truthy()); break;
      case Opcode::wrap: {
        json::Value array = json::Value::make_array(1);
        array.push_back(std::move(current_));
        current_ = std::move(array);
        break;
      }
      case Opcode::format: current_ = apply_format(static_cast<Format>(instruction.extra), current_, allowance_); break;
      case Opcode::jump: next_ = frames_[frame_].function->instructions.data() + instruction.a; break;
      case Opcode::jump_if_false:
        if (!current_.is_truthy()) next_ = frames_[frame_].function->instructions.data() + instruction.a;
        break;
      case Opcode::jump_if_true:
        if (current_.is_truthy()) next_ = frames_[frame_].function->instructions.data() + instruction.a;
        break;
      case Opcode::fork:
        push_fork(ForkKind::resume, frames_[frame_].function->instructions.data() + instruction.a, current_);
        break;
      case Opcode::backtrack: alive = backtrack(); break;
      case Opcode::backtrack_unless:
        if (!current_.is_truthy()) alive = backtrack();
        break;
      case Opcode::try_begin:
      case Opcode::fork_on_error: {
        const bool attempt = instruction.opcode == Opcode::try_begin;
        if (attempt) slot(instruction.b) = json::Value(forks_.size());
        push_fork(attempt ? ForkKind::attempt : ForkKind::on_error,
                  instruction.a == 0 ? nullptr : frames_[frame_].function->instructions.data() + instruction.a,
                  json::Value());
        break;
      }
      case Opcode::try_end: {
        const auto at = static_cast<std::size_t>(slot(instruction.a).as_int());
        if (at + 1 == forks_.size()) {
          forks_.pop_back();
        } else {
          push_fork(ForkKind::attempt_done, nullptr, json::Value());
          forks_.back().position = static_cast<std::uint32_t>(at);
        }
        break;
      }
      case Opcode::mark:
        slot(instruction.a) = json::Value(forks_.size());
        push_fork(ForkKind::barrier, nullptr, json::Value());
        break;
      case Opcode::cut: cut(frame_out(instruction.extra), instruction.a); break;
      case Opcode::call: alive = call(instruction); break;
      case Opcode::tail_call: alive = try_tail_call(instruction) || call(instruction); break;
      case Opcode::call_parameter: call_parameter(instruction); break;
      case Opcode::return_: return_from_call(); break;
      case Opcode::output: return true;
      case Opcode::native: call_native(instruction); break;
      case Opcode::append: slot(instruction.a).push_back(std::move(current_)); break;
      case Opcode::new_object: slot(instruction.a) = json::Value::object(); break;
      case Opcode::set_entry: set_entry(instruction); break;
      case Opcode::append_text: append_text(instruction); break;
      case Opcode::range: alive = begin_range(instruction); break;
      case Opcode::count_down: {
        json::Value& left = slot(instruction.a);
        count_down(left);
        if (left.is_number() && !(left.as_double() > 0)) cut(frame_, instruction.b);
        break;
      }
      case Opcode::skip_while: {
        json::Value& left = slot(instruction.a);
        if (left.is_number() && left.as_double() < 1) break;
        count_down(left);
        if (left.is_number()) alive = backtrack();
        break;
      }
      case Opcode::check_count: {
        bool nothing = false;
        check_count(instruction, nothing);
        if (nothing) alive = backtrack();
        break;
      }
      case Opcode::suspend: ++suspensions_; break;
      case Opcode::resume: --suspensions_; break;
      case Opcode::path_begin:
        path_.begin(current_, suspensions_);
        suspensions_ = 0;
        break;
      case Opcode::path_end: end_path(); break;
      case Opcode::get_path: alive = step_get_path(instruction); break;
      case Opcode::take_path:
        current_ = trv::expression::take_path(slot(instruction.a), slot(instruction.b), allowance_);
        break;
      case Opcode::peek_path:
        current_ = trv::expression::get_path(slot(instruction.a), slot(instruction.b), allowance_);
        break;
      case Opcode::set_path: {
        json::Value& state = slot(instruction.a);
        const json::Value& path = operand(static_cast<OperandMode>(instruction.extra), instruction.b);
        state = trv::expression::set_path(std::move(state), path, std::move(current_), allowance_);
        break;
      }
      case Opcode::delete_paths:
        current_ = trv::expression::delete_paths(std::move(current_), slot(instruction.a), allowance_);
        break;
      case Opcode::argument:
      case Opcode::operand: TRV_ASSERT(false);
    }
    if (allowance_.stopped() != Allowance::Stop::none) {
      if (allowance_.stopped() != Allowance::Stop::raised || !unwind()) return false;
    } else if (!alive) {
      return false;
    }
  }
}

void Machine::set_entry(const Instruction& instruction) {
  const Instruction& at = *next_++;
  const json::Value& key = operand(static_cast<OperandMode>(at.flag), at.a);
  if (!key.is_string()) {
    allowance_.raise(json::Value("Object keys must be strings"));
    return;
  }
  if (instruction.a != instruction.b) slot(instruction.b) = slot(instruction.a);
  slot(instruction.b).set(key, std::move(current_));
}

void Machine::append_text(const Instruction& instruction) {
  const json::Value& text = operand(static_cast<OperandMode>(instruction.extra), instruction.b);
  if (allowance_.room(2 * (text.as_string().size() + slot(instruction.a).as_string().size()))) {
    slot(instruction.a).append(text.as_string());
  }
}

void Machine::check_count(const Instruction& instruction, bool& nothing) {
  const json::Value& count = slot(instruction.a);
  // What is greater than every number fails with the first output that is counted.
  const int order = json::Value::compare(count, json::Value(0));
  if (order < 0) {
    allowance_.raise(code_.constants[static_cast<std::size_t>(instruction.b)]);
  } else {
    nothing = order == 0 && instruction.flag != 0;
  }
}

// Takes one away; an error where the count is not a number.
void Machine::count_down(json::Value& count) {
  if (count.is_number()) {
    count = json::Value(count.as_double() - 1);
  } else {
    (void)apply(Operator::subtract, count, json::Value(1), allowance_);
  }
}

void Machine::call_native(const Instruction& instruction) {
  constexpr int arguments_max = 8;
  TRV_ASSERT(instruction.b <= arguments_max);
  const Native& native = *code_.natives[static_cast<std::size_t>(instruction.a)];
  if (instruction.b == 0) {
    NativeCall call(allowance_, environment_.now, &current_);
    json::Value result = native.function(call);
    if (allowance_.stopped() == Allowance::Stop::raised) blame(native, {&current_, 1});
    current_ = std::move(result);
    return;
  }
  json::Value values[1 + arguments_max];
  values[0] = std::move(current_);
  for (int i = 1; i <= instruction.b; ++i, ++next_) {
    values[i] = operand(static_cast<OperandMode>(next_->flag), next_->a);
  }
  NativeCall call(allowance_, environment_.now, values);
  current_ = native.function(call);
  if (allowance_.stopped() == Allowance::Stop::raised) blame(native, std::span(values).first(instruction.b + 1U));
}

void Machine::blame(const Native& native, std::span<const json::Value> values) {
  // An error that the program raises itself says what the program wants to say.
  if (native.name != "error") allowance_.blame(native.name, values);
}

}  // namespace trv::expression
