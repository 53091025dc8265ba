#pragma once
// Runs compiled code: one evaluation, one thread. Calls, forks and slots live on its own stacks, never on the thread's.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kernel/expression/builtins/builtin.hpp"
#include "kernel/expression/machine/budget.hpp"
#include "kernel/expression/machine/code.hpp"
#include "kernel/expression/machine/path_trace.hpp"

namespace trv::expression {

class Machine {
 public:
  /// Borrows all but the input until it is destroyed.
  Machine(const Code& code, json::Value input, const Environment& environment, const Budget& budget);

  /// The next output; nothing after the last one or when the evaluation stopped, which allowance() tells.
  [[nodiscard]] std::optional<json::Value> next();
  [[nodiscard]] Allowance& allowance() noexcept { return allowance_; }

 private:
  struct Closure {
    const Function* function;
    std::uint32_t frame;
  };
  struct Frame {
    const Function* function;
    const Instruction* return_to;
    std::uint32_t return_frame;
    std::uint32_t static_link;
    std::uint32_t slots;     // its first slot
    std::uint32_t closures;  // its first argument
    std::uint32_t forks;     // how many there were when it was made
  };
  enum class ForkKind : std::uint8_t { resume, iterate, range, barrier, attempt, attempt_done, on_error };
  struct Fork {
    ForkKind kind;
    std::uint32_t frame;
    std::uint32_t frames;
    std::int32_t suspensions;
    std::uint32_t position;  // iterate: the next child; attempt_done: the attempt's fork
    const Instruction* resume_at;
    json::Value current;
    PathTrace path;
  };

  bool run();
  bool backtrack();
  bool unwind();
  void push_fork(ForkKind kind, const Instruction* resume_at, json::Value current);
  void restore(const Fork& fork);
  void drop_frames(std::size_t count);
  void push_frame(const Function& function, std::uint32_t static_link, const Instruction* return_to,
                  std::uint32_t return_frame);
  bool call(const Instruction& instruction);
  bool try_tail_call(const Instruction& instruction);
  void call_parameter(const Instruction& instruction);
  void return_from_call();
  std::uint32_t frame_out(std::uint32_t hops) const noexcept;
  void call_native(const Instruction& instruction);
  void blame(const Native& native, std::span<const json::Value> values);

  json::Value& slot(std::int32_t index) noexcept { return slots_[base_ + static_cast<std::uint32_t>(index)]; }
  const json::Value& operand(OperandMode mode, std::int32_t index) const noexcept;
  [[nodiscard]] bool tracking() const noexcept { return path_.active() && suspensions_ == 0; }
  bool check_path(const json::Value* key);
  bool fail_step();
  bool step_field(const Instruction& instruction);
  bool step_index(const Instruction& instruction);
  bool step_slice(const Instruction& instruction);
  bool step_get_path(const Instruction& instruction);
  bool begin_iteration(const Instruction& instruction);
  void enter_child(const json::Value& container, std::uint32_t position);
  bool begin_range(const Instruction& instruction);
  bool range_has(const json::Value& at, const json::Value& to, const json::Value& by);
  void end_path();
  void set_entry(const Instruction& instruction);
  void append_text(const Instruction& instruction);
  void check_count(const Instruction& instruction, bool& nothing);
  void count_down(json::Value& count);
  void cut(std::uint32_t frame, std::int32_t slot_index);

  const Code& code_;
  const Environment& environment_;
  Allowance allowance_;
  json::MemoryMeter::Scope metering_;
  std::size_t depth_max_;
  std::size_t stack_bytes_max_;
  bool started_ = false;

  json::Value current_;
  PathTrace path_;
  std::int32_t suspensions_ = 0;
  const Instruction* next_ = nullptr;
  std::uint32_t frame_ = 0;
  std::uint32_t base_ = 0;
  std::vector<Frame> frames_;
  std::vector<Closure> closures_;
  std::vector<json::Value> slots_;
  std::vector<Fork> forks_;
};

}  // namespace trv::expression
