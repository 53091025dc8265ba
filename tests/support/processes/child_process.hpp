#pragma once
// A program that a test runs beside itself.

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sdk/base/result.hpp"

namespace trv::processes {

/// Owns one child: the destructor kills it (SIGKILL) and waits for it. Its standard output is ours to read, its
/// standard error goes where ours goes. One thread.
class ChildProcess {
 public:
  /// Error: unavailable, with the program's name. A program that is not there ends with exit code 127.
  [[nodiscard]] static base::Result<ChildProcess> start(const std::filesystem::path& program,
                                                        const std::vector<std::string>& arguments);
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  /// The next line of its standard output without the line feed; nullopt when it closed it or none came in time.
  [[nodiscard]] std::optional<std::string> line(std::chrono::milliseconds timeout);
  /// Sends a signal, unless it has ended and was waited for.
  void signal(int number) const;
  /// Waits for the end: the exit code, 128 + signal where a signal ended it; nullopt when it lives on after `timeout`.
  [[nodiscard]] std::optional<int> wait(std::chrono::milliseconds timeout);
  [[nodiscard]] pid_t id() const noexcept { return id_; }

 private:
  ChildProcess(pid_t id, int output) noexcept : id_(id), output_(output) {}
  void end() noexcept;

  pid_t id_ = -1;    ///< -1: waited for
  int output_ = -1;  ///< read end of its standard output
  std::string text_;
};

}  // namespace trv::processes
