#pragma once
// The compiled form of a program: one list of instructions for each function. The machine works on one current value,
// on slots of the running function's frame, and on a stack of forks to which it backtracks for the next output.
//
// A slot is written before it is read on every path from a fork, so backtracking need not restore slots. The few slots
// that change in place (fold states, counters) are written anew whenever control passes their beginning.

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "kernel/expression/builtins/builtin.hpp"
#include "kernel/json/value.hpp"

namespace trv::expression {

enum class Opcode : std::uint8_t {
  // current value
  constant,    // current = constants[a]
  load,        // current = slot a of the frame `extra` levels out
  move,        // current = slot a, which becomes null
  store,       // slot a = current
  store_move,  // slot a = current, which is dead
  global,      // current = variables[a]
  field,       // current = current[constants[a]]; flag: optional
  index,       // current = current[operand a]; flag: optional
  slice,       // current = current[slot a : slot b]; flag: optional
  iterate,     // each child in turn; flag: optional
  binary,      // current = current <Operator extra> operand a
  negate,
  not_,
  boolean,  // current = whether it is truthy
  wrap,     // current = [current]
  format,   // current = current as text in format `extra`
  // flow
  jump,
  jump_if_false,
  jump_if_true,
  fork,  // on backtracking goes on at target a with the current value of now
  backtrack,
  backtrack_unless,  // unless current is truthy
  try_begin,         // errors go on at target a (or backtrack, for 0) with the error as current value
  try_end,
  fork_on_error,   // as try_begin, but never ends
  mark,            // slot a = the height of the fork stack
  cut,             // removes the forks above slot a (of the frame `extra` levels out) and its mark
  call,            // functions[a] with b arguments, which follow; defined `extra` levels out
  argument,        // a closure over this frame: functions[a]; flag: instead parameter a, `extra` levels out
  call_parameter,  // parameter a of the frame `extra` levels out
  tail_call,       // as call, before a return
  return_,
  output,
  native,   // natives[a] with b arguments, which follow as operands
  operand,  // flag: OperandMode; a
  // building
  append,       // slot a, an array, gains current
  new_object,   // slot a = {}
  set_entry,    // slot b = slot a with operand(extra = mode, next instruction's a) : current
  append_text,  // slot a, a string, gains operand b, a string
  range,        // each number from slot a up to slot a+1 by slot a+2
  count_down,   // slot a -= 1; at 0 cuts the mark in slot b
  skip_while,   // backtracks while slot a > 0, and takes 1 from it
  check_count,  // slot a must be a number not below 0; flag: 0 backtracks; b = message
  // paths
  suspend,  // values from here are not part of the path
  resume,
  path_begin,
  path_end,      // current = the path since path_begin
  get_path,      // current = current at path operand a
  take_path,     // current = slot a at path operand b, where null is left
  peek_path,     // current = slot a at path operand b
  set_path,      // slot a at path operand b = current
  delete_paths,  // current = current without the paths in slot a
};

enum class OperandMode : std::uint8_t { slot, constant, global };

struct Instruction {
  Opcode opcode;
  std::uint8_t flag = 0;
  std::uint16_t extra = 0;
  std::int32_t a = 0;  // jumps: the target's index in the same function
  std::int32_t b = 0;
};

struct Function {
  std::vector<Instruction> instructions;
  std::uint32_t slots = 0;
  std::uint32_t parameters = 0;
};

struct Code {
  std::deque<Function> functions;  // the first is the program
  std::vector<json::Value> constants;
  std::vector<const Native*> natives;
  std::size_t variables = 0;
};

}  // namespace trv::expression
