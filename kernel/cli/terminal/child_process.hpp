#pragma once
// Other programs that a command starts and waits for.

#include <string>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::cli {

enum class ChildOutput {
  taken,  ///< standard output is given back; standard error is dropped
  passed  ///< both go to this program's standard error
};

struct ChildEnd {
  int exit_code = 0;  ///< 128 + the signal that ended it
  std::string output;
};

/// Runs `words`, the first of which is looked for on PATH, without standard input and with default signals, and waits
/// for its end. Any thread. Error: not_found (no such program), unavailable.
[[nodiscard]] base::Result<ChildEnd> run_child(const std::vector<std::string>& words, ChildOutput output);

}  // namespace trv::cli
