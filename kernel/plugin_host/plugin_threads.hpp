#pragma once
// The few threads that plugins run on when the caller's own is not used, and the one that watches deadlines.

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "sdk/base/clock.hpp"
#include "sdk/base/result.hpp"

namespace trv::plugin_host {

/// Something with deadlines. expire() is called on the watching thread, must not block and must not throw.
class Expiring {
 public:
  virtual ~Expiring() = default;
  /// Ends what is due. Returns the next deadline, or Duration::max().
  [[nodiscard]] virtual base::Duration expire(base::Duration now) = 0;
};

/// Any thread, but the destructor, which must not run on one of the pool's own threads.
class PluginThreads {
 public:
  /// `clock` outlives this. Error: unavailable (no thread).
  [[nodiscard]] static base::Result<std::unique_ptr<PluginThreads>> start(std::size_t workers,
                                                                          const base::Clock& clock);
  /// Runs what was posted, waits for it, and joins.
  ~PluginThreads();
  PluginThreads(const PluginThreads&) = delete;
  PluginThreads& operator=(const PluginThreads&) = delete;

  /// Runs the task on a worker, in the order of posting.
  void post(std::move_only_function<void()> task);

  /// Calls expire() at about the next deadline it returned, from the first `deadline` on. Held weakly.
  void watch(std::weak_ptr<Expiring> expiring, base::Duration deadline);
  /// The deadline has moved nearer.
  void hurry(base::Duration deadline);

 private:
  explicit PluginThreads(const base::Clock& clock) : clock_(clock) {}
  void work();
  void keep_time();

  const base::Clock& clock_;
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::move_only_function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> workers_;

  std::mutex time_mutex_;
  std::condition_variable time_changed_;
  std::vector<std::weak_ptr<Expiring>> watched_;
  base::Duration next_deadline_ = base::Duration::max();
  bool time_stopping_ = false;
  std::thread timekeeper_;
};

}  // namespace trv::plugin_host
