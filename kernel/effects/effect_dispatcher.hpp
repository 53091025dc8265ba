#pragma once
// Performs effects in the world: fair between tenants, bounded, with retries, and reports each outcome once.
//
// An effect is tried until it succeeds, fails for good, or has used up its time or tries; every try carries the same
// idempotency key. What was under way when the process died is tried again after a restart: at least once, recorded
// once.

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "kernel/shard/effect.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::effects {

/// What one try came to.
struct TryResult {
  shard::Outcome outcome;
  bool retry = false;            ///< the same try, with the same key, may be made again
  base::Duration retry_after{};  ///< what the service asked for; 0 = not said
};

struct DispatcherOptions {
  std::size_t concurrency_max = 256;        ///< tries under way
  std::size_t tenant_concurrency_max = 64;  ///< of one tenant
  std::uint32_t tries_max = 8;              ///< of one effect
  base::Duration backoff_first = std::chrono::milliseconds(200);
  base::Duration backoff_max = std::chrono::seconds(30);
};

struct DispatcherMetrics {
  std::uint64_t dispatched = 0;
  std::uint64_t tries = 0;
  std::uint64_t retries = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t under_way = 0;
  std::uint64_t waiting = 0;
};

class EffectDispatcher {
 public:
  /// Begins one try; must not block; calls `done` exactly once, from any thread. `left` is the time left for it.
  using Perform = std::function<void(const shard::Effect& effect, std::uint32_t try_number, base::Duration left,
                                     std::function<void(TryResult)> done)>;
  /// Takes the outcome; called once per effect, from the dispatcher's thread.
  using Settle = std::function<void(const shard::Effect& effect, shard::Outcome outcome)>;

  /// `clock` and `random` must outlive the dispatcher.
  EffectDispatcher(DispatcherOptions options, const base::Clock& clock, base::Random& random, Perform perform,
                   Settle settle);
  ~EffectDispatcher();
  EffectDispatcher(const EffectDispatcher&) = delete;
  EffectDispatcher& operator=(const EffectDispatcher&) = delete;

  void start();
  /// Begins no further try and joins the thread. Tries under way may still end; their results are dropped, and the
  /// effects are tried again after the next start.
  void stop();

  /// Any thread. A key that is already here is ignored.
  void dispatch(shard::Effect effect);

  [[nodiscard]] DispatcherMetrics metrics() const;

 private:
  struct Job {
    shard::Effect effect;
    std::uint32_t tries = 0;
    base::Duration first_try{};
  };
  struct Ended {
    std::string key;
    TryResult result;
  };
  // Shared with the completions of tries, which may outlive the dispatcher.
  struct Inbox {
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<shard::Effect> arrived;
    std::vector<Ended> ended;
    bool stopping = false;
  };

  void run();
  void admit(shard::Effect effect);
  void begin_tries();
  void begin_try(Job& job);
  void end_try(Ended ended);
  [[nodiscard]] base::Duration backoff(std::uint32_t tries);
  [[nodiscard]] base::Duration left_of(const Job& job) const;

  DispatcherOptions options_;
  const base::Clock& clock_;
  base::Random& random_;
  Perform perform_;
  Settle settle_;

  // The dispatcher thread's own.
  std::unordered_map<std::string, Job> jobs_;
  std::map<base::TenantId, std::deque<std::string>> ready_;  ///< keys by tenant; served in turn
  std::map<base::TenantId, std::size_t> under_way_of_;
  base::TenantId last_served_;
  std::multimap<base::Duration, std::string> delayed_;  ///< by monotonic time
  std::size_t under_way_ = 0;

  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  mutable std::mutex metrics_mutex_;
  DispatcherMetrics metrics_;
  std::thread thread_;
};

}  // namespace trv::effects
