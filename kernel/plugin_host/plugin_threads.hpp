#pragma once
// The few threads that plugins run on when the caller's own is not used, and the one that watches deadlines.

#include <cstddef>
#include <functional>
#include <memory>

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

/// Where every worker hangs in a plugin for over a second, further workers join, up to a bound, so that one plugin's
/// hang does not become another's. Any thread.
class PluginThreads {
 public:
  static constexpr std::size_t workers_max = 16;

  /// `clock` outlives this. Error: unavailable (no thread).
  [[nodiscard]] static base::Result<std::unique_ptr<PluginThreads>> start(std::size_t workers,
                                                                          const base::Clock& clock);
  /// Runs what was posted and joins the workers; one that hangs for a further second is left behind. Not on one of the
  /// pool's own threads.
  ~PluginThreads();
  PluginThreads(const PluginThreads&) = delete;
  PluginThreads& operator=(const PluginThreads&) = delete;

  /// Runs the task on a worker; tasks begin in the order of posting.
  void post(std::move_only_function<void()> task);

  /// Calls expire() when the earliest deadline given has come. Held weakly.
  void watch(std::weak_ptr<Expiring> expiring);
  /// Tells a deadline of a watched one.
  void tell(base::Duration deadline);

 private:
  struct Shared;
  explicit PluginThreads(std::shared_ptr<Shared> shared);
  std::shared_ptr<Shared> shared_;
};

}  // namespace trv::plugin_host
