#pragma once
// How a thread waits for the next frame. To wake a processor that sleeps takes longer than a plugin needs for an
// answer; so where the last wait was short, the thread looks again for a moment before it sleeps. A thread that
// waits long does not look twice.
//
// One thread.

#include <sched.h>

#include "sdk/base/clock.hpp"

namespace trv::plugin_host {

class Patience {
 public:
  /// `clock` outlives this.
  explicit Patience(const base::Clock& clock) noexcept : clock_(clock) {}

  /// `look` says whether something is there, at once; `sleep` returns when something may be. Other threads that could
  /// run go first.
  template <class Look, class Sleep>
  void wait(Look look, Sleep sleep) {
    const base::Duration start = clock_.monotonic();
    if (was_short_) {
      for (int i = 0; i < looks_max; ++i) {
        if (look()) return;
        ::sched_yield();
        if (clock_.monotonic() - start > short_wait) break;
      }
    }
    sleep();
    was_short_ = clock_.monotonic() - start < short_wait;
  }

 private:
  static constexpr base::Duration short_wait = std::chrono::microseconds(60);
  static constexpr int looks_max = 1'000;  // where the clock does not move

  const base::Clock& clock_;
  bool was_short_ = false;
};

}  // namespace trv::plugin_host
