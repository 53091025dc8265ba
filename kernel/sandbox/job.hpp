#pragma once
// What runs in the sandbox, and how it is handed to the process that makes the sandbox. Pure; any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::sandbox {

/// Bounds of one job. A process that reaches one of its own gets an error from the system, or is killed.
struct Limits {
  std::uint64_t memory_bytes = std::uint64_t{256} << 20;  ///< data of each process
  std::uint64_t files_bytes = std::uint64_t{64} << 20;    ///< of all files that it writes
  std::uint64_t processes = 32;                           ///< at a time, threads included
  std::uint64_t open_files = 256;                         ///< of each process
  std::uint64_t cpu_seconds = 60;                         ///< of each process
};

/// An interpreter with a script: `interpreter script arguments…` in the folder of the script, which alone it can write.
struct Job {
  std::string interpreter;  ///< absolute path of a program of the host
  std::string script_name;  ///< a name without '/'
  std::string script;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  ///< "NAME=value"
  Limits limits;
};

/// No text of a job may hold a zero byte. Error: invalid.
[[nodiscard]] base::Status check(const Job& job);

/// For a program that starts the sandbox and is of the same build.
[[nodiscard]] std::string encode(const Job& job);
/// Error: invalid for anything but what encode() made.
[[nodiscard]] base::Result<Job> decode(std::string_view bytes);

}  // namespace trv::sandbox
