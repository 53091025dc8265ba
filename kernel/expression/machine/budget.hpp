#pragma once
// What an evaluation may spend and what it sees besides its input. Plain values; any thread.

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernel/json/value.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::expression {

/// Limits of one evaluation. Where a SharedFuel is current, its fuel is at most what that has left.
struct Budget {
  std::uint64_t fuel = 1'000'000;                   ///< about one unit an instruction, more for work on large values
  int depth_max = 10'000;                           ///< nested function calls; they take heap, not stack
  std::size_t memory_bytes_max = 64 * 1024 * 1024;  ///< values alive plus the evaluator's own stacks
};

/// What the program sees besides its input. Borrowed for the call.
struct Environment {
  std::span<const json::Value> variables;  ///< in the order of the names given to compile
  base::Timestamp now;
};

}  // namespace trv::expression
