#pragma once
// Hears of each system call that the sandbox refuses, writes down its name, and then refuses it as it is refused where
// nobody listens. A thread of the sandboxed process itself listens (seccomp_unotify(2)), and for programs that of their
// parent: what is refused stays so whatever becomes of the listener.

#include <atomic>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "kernel/sandbox/walls.hpp"
#include "sdk/base/open_file.hpp"

namespace trv::sandbox {

/// Lives as long as the process.
class RefusedCalls {
 public:
  /// `report`: where names go, once each, one a line.
  explicit RefusedCalls(int report) noexcept : report_(report) {}

  /// Leaves this process, and those that it starts, the named system calls; once, and with one thread. Returns what
  /// went wrong, or an empty text.
  [[nodiscard]] std::string_view begin(SystemCalls left);
  /// From here on what is left is SystemCalls::of_loaded; only after begin(of_libraries).
  void once_loaded() noexcept { is_loaded_ = true; }

 private:
  void listen();
  void note(int call);

  const int report_;
  SystemCalls left_ = SystemCalls::of_scripts;
  std::atomic<int> calls_ = -1;  ///< where they arrive
  std::atomic<bool> is_loaded_ = false;
  std::set<int> noted_ = {};  ///< the listener's
  std::thread listener_ = {};
};

}  // namespace trv::sandbox
