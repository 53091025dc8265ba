#pragma once
// A job in a sandbox of its own, from start to end. Any thread; the caller waits.

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>

#include "kernel/sandbox/job.hpp"

namespace trv::sandbox {

struct Ended {
  int exit_code = 0;  ///< as a shell says it: 128 and the signal for one that was killed
  int signal = 0;     ///< 0: it ended by itself
  std::string output;
  std::string errors;
};

struct Patience {
  std::chrono::milliseconds time{30'000};
  std::size_t output_bytes_max = 256 * 1024;  ///< of standard output, and of standard error
  bool keeps_whole_output = true;             ///< more of it is an error; else the last of it is kept
  bool keeps_whole_errors = true;             ///< the same of standard error
};

/// `program`: trav-plugin-host, which makes the sandbox. All that the job has left running is gone when this returns.
/// Errors: invalid for a text with a zero byte; timeout after the time; too_large for an output that is; cancelled when
/// it was asked to stop; unavailable where the sandbox cannot be made, and then nothing has run.
[[nodiscard]] base::Result<Ended> run(const std::filesystem::path& program, const Job& job, std::string_view input,
                                      const Patience& patience, const std::stop_token& stop);

}  // namespace trv::sandbox
