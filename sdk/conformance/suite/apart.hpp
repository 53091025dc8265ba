#pragma once
// Work that may crash or hang, in a child process under a time limit. The child says what it begins, so that how it
// ended can be blamed on that. For a process with one thread: a lock that another one holds stays locked in the child.

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace trv::conformance::suite {

/// Kept where the parent finds it; the first 500 bytes are.
using Doing = std::function<void(std::string_view)>;

struct ApartOutcome {
  std::string output = {};   ///< what the work returned; empty where it did not return
  std::string trouble = {};  ///< how the child ended before it was done, and in what; empty: it was done
};

/// Blocks until the child has ended; one that has not after `limit` is killed.
[[nodiscard]] ApartOutcome run_apart(const std::function<std::string(const Doing&)>& work,
                                     std::chrono::milliseconds limit);

}  // namespace trv::conformance::suite
