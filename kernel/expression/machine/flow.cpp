// Forks, frames and errors.

#include "kernel/expression/machine/machine.hpp"
#include "sdk/base/contract.hpp"

namespace trv::expression {

void Machine::push_fork(ForkKind kind, const Instruction* resume_at, json::Value current) {
  if (forks_.size() == forks_.capacity() && forks_.size() * 4 * sizeof(Fork) > stack_bytes_max_) {
    allowance_.stop(Allowance::Stop::memory);
    return;
  }
  forks_.push_back(Fork{kind, frame_, static_cast<std::uint32_t>(frames_.size()), suspensions_, 0, resume_at,
                        std::move(current), path_});
}

void Machine::drop_frames(std::size_t count) {
  if (count == frames_.size()) return;
  TRV_EXPECTS(count < frames_.size());
  const Frame& first = frames_[count];
  // Stacks only shrink here; a frame begins within what those before it left.
  TRV_ASSERT(first.closures <= closures_.size() && first.slots <= slots_.size());
  closures_.resize(first.closures);
  slots_.resize(first.slots);
  frames_.resize(count);
}

void Machine::restore(const Fork& fork) {
  // What a fork goes back to lives as long as the fork.
  TRV_EXPECTS(fork.frame < fork.frames && fork.frames <= frames_.size());
  drop_frames(fork.frames);
  frame_ = fork.frame;
  base_ = frames_[frame_].slots;
  suspensions_ = fork.suspensions;
  next_ = fork.resume_at;
}

// Goes on at the last fork; false when there is none left.
bool Machine::backtrack() {
  while (!forks_.empty()) {
    Fork& fork = forks_.back();
    switch (fork.kind) {
      case ForkKind::resume:
        restore(fork);
        current_ = std::move(fork.current);
        path_ = std::move(fork.path);
        forks_.pop_back();
        return true;
      case ForkKind::iterate: {
        restore(fork);
        path_ = fork.path;
        TRV_ASSERT(fork.position < fork.current.size());
        const std::uint32_t position = fork.position++;
        if (fork.position == fork.current.size()) {
          const json::Value container = std::move(fork.current);
          forks_.pop_back();
          enter_child(container, position);
        } else {
          enter_child(fork.current, position);
        }
        return true;
      }
      case ForkKind::range: {
        restore(fork);
        path_ = fork.path;
        // The range instruction is right before the place to resume at.
        TRV_ASSERT((next_ - 1)->opcode == Opcode::range);
        const std::int32_t bounds = (next_ - 1)->a;
        current_ = fork.current;
        json::Value following = apply(Operator::add, current_, slot(bounds + 2), allowance_);
        if (range_has(following, slot(bounds + 1), slot(bounds + 2))) {
          fork.current = std::move(following);
        } else {
          forks_.pop_back();
        }
        return true;
      }
      case ForkKind::barrier:
      case ForkKind::attempt:
      case ForkKind::attempt_done:
      case ForkKind::on_error: forks_.pop_back(); break;
    }
  }
  return false;
}

// Goes on at the handler of the raised error; false when there is none, or when nothing is left after it.
bool Machine::unwind() {
  TRV_EXPECTS(allowance_.stopped() == Allowance::Stop::raised);
  std::size_t at = forks_.size();
  while (at > 0) {
    const Fork& fork = forks_[at - 1];
    if (fork.kind == ForkKind::attempt_done) {
      // The error comes from behind that attempt, so it and all within it do not see it.
      TRV_ASSERT(fork.position + 1 < at);
      at = fork.position;
      continue;
    }
    if (fork.kind == ForkKind::attempt || fork.kind == ForkKind::on_error) break;
    --at;
  }
  if (at == 0) return false;
  allowance_.clear();
  forks_.resize(at);
  Fork& fork = forks_.back();
  const bool handled = fork.resume_at != nullptr;
  restore(fork);
  path_ = std::move(fork.path);
  current_ = allowance_.take_error();
  forks_.pop_back();
  return handled || backtrack();
}

void Machine::cut(std::uint32_t frame, std::int32_t slot_index) {
  const json::Value& mark = slots_[frames_[frame].slots + static_cast<std::uint32_t>(slot_index)];
  const auto at = static_cast<std::size_t>(mark.as_int());
  TRV_ASSERT(at < forks_.size() && forks_[at].kind == ForkKind::barrier);
  const std::size_t frames = forks_[at].frames;
  forks_.resize(at);
  // Calls that could only have been resumed by what was cut.
  if (frame == frame_) drop_frames(frames);
}

void Machine::push_frame(const Function& function, std::uint32_t static_link, const Instruction* return_to,
                         std::uint32_t return_frame) {
  frames_.push_back(Frame{&function, return_to, return_frame, static_link, static_cast<std::uint32_t>(slots_.size()),
                          static_cast<std::uint32_t>(closures_.size()), static_cast<std::uint32_t>(forks_.size())});
  frame_ = static_cast<std::uint32_t>(frames_.size() - 1);
  base_ = frames_[frame_].slots;
  slots_.resize(slots_.size() + function.slots);
  TRV_ASSERT(!function.instructions.empty());
  next_ = function.instructions.data();
}

std::uint32_t Machine::frame_out(std::uint32_t hops) const noexcept {
  std::uint32_t frame = frame_;
  for (; hops > 0; --hops) frame = frames_[frame].static_link;
  return frame;
}

bool Machine::call(const Instruction& instruction) {
  if (frames_.size() >= depth_max_ || slots_.size() * 2 * sizeof(json::Value) > stack_bytes_max_) {
    allowance_.stop(Allowance::Stop::depth);
    return false;
  }
  TRV_ASSERT(static_cast<std::size_t>(instruction.a) < code_.functions.size());
  const Function& function = code_.functions[static_cast<std::size_t>(instruction.a)];
  const std::uint32_t static_link = frame_out(instruction.extra);
  const std::uint32_t caller = frame_;
  const Instruction* arguments = next_;
  push_frame(function, static_link, arguments + instruction.b, caller);
  for (std::int32_t i = 0; i < instruction.b; ++i) {
    const Instruction& argument = arguments[i];
    if (argument.flag == 0) {
      closures_.push_back({&code_.functions[static_cast<std::size_t>(argument.a)], caller});
      continue;
    }
    std::uint32_t frame = caller;
    for (int hops = argument.extra; hops > 0; --hops) frame = frames_[frame].static_link;
    closures_.push_back(closures_[frames_[frame].closures + static_cast<std::uint32_t>(argument.a)]);
  }
  return true;
}

// Replaces the running frame, where nothing can come back to it.
bool Machine::try_tail_call(const Instruction& instruction) {
  const Frame frame = frames_[frame_];
  const std::uint32_t static_link = frame_out(instruction.extra);
  if (frame_ + 1 != frames_.size() || forks_.size() != frame.forks || static_link == frame_) return false;
  constexpr std::int32_t passed_max = 4;
  if (instruction.b > passed_max) return false;
  Closure passed[passed_max];
  for (std::int32_t i = 0; i < instruction.b; ++i) {
    const Instruction& argument = next_[i];
    if (argument.flag == 0) return false;
    passed[i] = closures_[frames_[frame_out(argument.extra)].closures + static_cast<std::uint32_t>(argument.a)];
  }
  drop_frames(frame_);
  push_frame(code_.functions[static_cast<std::size_t>(instruction.a)], static_link, frame.return_to,
             frame.return_frame);
  for (std::int32_t i = 0; i < instruction.b; ++i) closures_.push_back(passed[i]);
  return true;
}

void Machine::call_parameter(const Instruction& instruction) {
  if (frames_.size() >= depth_max_ || slots_.size() * 2 * sizeof(json::Value) > stack_bytes_max_) {
    allowance_.stop(Allowance::Stop::depth);
    return;
  }
  const Frame& owner = frames_[frame_out(instruction.extra)];
  TRV_ASSERT(owner.closures + static_cast<std::uint32_t>(instruction.a) < closures_.size());
  const Closure closure = closures_[owner.closures + static_cast<std::uint32_t>(instruction.a)];
  push_frame(*closure.function, closure.frame, next_, frame_);
}

void Machine::return_from_call() {
  const Frame frame = frames_[frame_];
  // The program's own frame ends with an output, never with a return.
  TRV_EXPECTS(frame.return_to != nullptr && frame.return_frame < frame_);
  if (frame_ + 1 == frames_.size() && forks_.size() == frame.forks) drop_frames(frame_);
  next_ = frame.return_to;
  frame_ = frame.return_frame;
  base_ = frames_[frame_].slots;
}

}  // namespace trv::expression
