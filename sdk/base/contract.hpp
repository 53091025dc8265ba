#pragma once
// Contract checks, always on. A broken contract is our bug: the process aborts with the place and the condition.
// What the world can make fail is a Result (result.hpp), never a contract.

namespace trv::base {

/// Prints the message to standard error and aborts. Any thread.
[[noreturn]] void contract_failed(const char* kind, const char* condition, const char* file, int line) noexcept;

}  // namespace trv::base

/// The caller's duty.
#define TRV_EXPECTS(condition) \
  ((condition) ? void(0) : ::trv::base::contract_failed("precondition", #condition, __FILE__, __LINE__))
/// Our duty towards the caller.
#define TRV_ENSURES(condition) \
  ((condition) ? void(0) : ::trv::base::contract_failed("postcondition", #condition, __FILE__, __LINE__))
/// What must hold in between.
#define TRV_ASSERT(condition) \
  ((condition) ? void(0) : ::trv::base::contract_failed("invariant", #condition, __FILE__, __LINE__))
