#pragma once
// How far long work is, for a person.

#include <chrono>
#include <string_view>

#include "kernel/cli/commands/world.hpp"

namespace trv::cli {

/// One line on a terminal, written over while the work goes on and gone at its end; nothing where standard error is not
/// a terminal. One thread.
class ProgressLine {
 public:
  explicit ProgressLine(World& world) noexcept : world_(world) {}
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// Whether show() would write now: at most ten times a second.
  [[nodiscard]] bool is_due() const {
    return world_.err_is_terminal && world_.clock.monotonic() - shown_ >= std::chrono::milliseconds(100);
  }
  void show(std::string_view text) {
    if (!is_due()) return;
    shown_ = world_.clock.monotonic();
    world_.err << "\r\x1b[K" << text << std::flush;
  }
  void clear() {
    if (world_.err_is_terminal) world_.err << "\r\x1b[K" << std::flush;
  }

 private:
  World& world_;
  base::Duration shown_{};
};

}  // namespace trv::cli
