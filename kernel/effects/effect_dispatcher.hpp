#pragma once
// Performs the effects of one shard in the world: fair between tenants, bounded, with retries, and has each outcome
// recorded once.
//
// An effect is tried until it succeeds, fails for good, or has used up its time or tries; every try carries the same
// idempotency key. Time and tries count over restarts. An outcome that cannot be recorded now is kept and offered
// again: the effect is not performed again. An orderly stop waits a bounded time for tries under way and for outcomes
// to be recorded; what it gives up, and what was under way when the process died, is tried again after a restart. A
// plugin's call during which the process died again and again is parked.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <vector>

#include "kernel/effects/outbox_window.hpp"
#include "kernel/effects/try_journal.hpp"
#include "kernel/shard/effect.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::effects {

/// What one try came to.
struct TryResult {
  shard::Outcome outcome;
  bool retry = false;            ///< the same try, with the same key, may be made again
  bool plugin_died = false;      ///< the plugin's process ended during it
  base::Duration retry_after{};  ///< what the service asked for; 0 = not said
};
using TryDone = std::function<void(TryResult)>;
/// Asks a try to end early. Its TryDone is still called. Empty: it cannot be asked.
using CancelTry = std::function<void()>;

struct DispatcherOptions {
  WindowLimits window = {};                 ///< of effects in memory, waiting outcomes included
  std::size_t concurrency_max = 256;        ///< tries under way
  std::size_t tenant_concurrency_max = 64;  ///< of one tenant
  std::size_t processes_max = 4;            ///< of them scripts
  std::uint32_t tries_max = 8;              ///< of one effect
  std::uint32_t deaths_max = 3;             ///< during tries of one effect, before it is parked; see PastTries
  bool begins_paused = false;               ///< look_again() is its beginning
  base::Duration backoff_first = std::chrono::milliseconds(200);
  base::Duration backoff_max = std::chrono::seconds(30);
  base::Duration stop_tries_max = std::chrono::seconds(1);     ///< how long a stop waits for tries under way
  base::Duration stop_outcomes_max = std::chrono::seconds(5);  ///< and for outcomes to be recorded
};

struct DispatcherMetrics {
  std::uint64_t dispatched = 0;
  std::uint64_t tries = 0;
  std::uint64_t retries = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
  std::uint64_t parked = 0;
  std::uint64_t under_way = 0;
  std::uint64_t waiting = 0;   ///< in memory, for a try
  std::uint64_t outcomes = 0;  ///< in memory, to be recorded
};

/// How a dispatcher reaches the rest of the kernel.
struct DispatcherPorts {
  /// Begins one try; must not block; calls `done` exactly once, from any thread. `left` is the time left for it, 0 =
  /// any.
  std::function<CancelTry(const shard::Effect& effect, std::uint32_t try_number, base::Duration left, TryDone done)>
      perform;
  using Recorded = std::function<void(base::Status)>;
  /// Has the outcome recorded; called again with the same outcome when `done` said that it may succeed later. `done`:
  /// once, from any thread. Success also where an outcome is known or nobody waits for it.
  std::function<void(const shard::Effect& effect, std::shared_ptr<const shard::Outcome> outcome, Recorded done)> settle;
  /// Has it recorded that the effect is parked.
  std::function<void(const shard::Effect& effect, std::uint32_t deaths, Recorded done)> park;
  /// A line for the operator. On the dispatcher's thread.
  std::function<void(const std::string& line)> report;
};

class EffectDispatcher {
 public:
  /// The references must outlive the dispatcher. `outbox` is one of the projection's.
  EffectDispatcher(DispatcherOptions options, const projection::Projection& projection, const shard::Outbox& outbox,
                   TryJournal& journal, const base::Clock& clock, base::Random& random, DispatcherPorts ports);
  ~EffectDispatcher();
  EffectDispatcher(const EffectDispatcher&) = delete;
  EffectDispatcher& operator=(const EffectDispatcher&) = delete;

  /// The projection must have followed the log.
  void start();
  /// Begins no further try. Does not wait.
  void begin_stop();
  /// The same, and waits for tries under way and for outcomes to be recorded, as long as the options say; then joins
  /// the thread. The results that come later are dropped, and their effects are tried again after the next start.
  void stop();

  /// Another node is to own the shard: as begin_stop(), but when that is done every effect is forgotten, and the thread
  /// waits for look_again(), which begins anew from the outbox. Any thread.
  void begin_pause();
  /// The same, and waits until that is done. Not on the shard's thread, which records the outcomes.
  void pause();

  /// Begins no further try of the tenant's effects, until let_go() or a pause. True: none is under way now, and each
  /// outcome is recorded; ask again where it is false. Any thread.
  [[nodiscard]] bool hold(const base::TenantId& tenant);
  void let_go(const base::TenantId& tenant);

  /// Any thread. What is requested must be durable; what is cancelled goes out no more and is asked to end.
  void dispatch(shard::EffectChanges changes);
  /// Any thread. The outbox holds effects that dispatch() may not have named.
  void look_again();

  /// Instead of what the options say; tries under way are not ended. Any thread.
  void replace_limits(std::size_t concurrency_max, std::uint32_t tries_max) noexcept;

  [[nodiscard]] DispatcherMetrics metrics() const;

 private:
  enum class State {
    ready,      ///< for its next try
    delayed,    ///< until its next try
    under_way,  ///< being tried
    offered,    ///< its outcome, or that it is parked, is being recorded
    refused,    ///< that could not be recorded; offered again later
  };
  struct Job {
    shard::Effect effect;
    State state = State::ready;
    std::uint32_t tries = 0;
    std::uint32_t deaths = 0;
    std::uint32_t plugin_deaths = 0;  ///< ends of the plugin's process during tries
    std::uint32_t offers = 0;
    bool cancelled = false;
    base::Duration deadline = base::Duration::max();
    base::Duration first_try{};
    base::Duration alarm{};  ///< 0: none
    CancelTry cancel;
    std::shared_ptr<const shard::Outcome> outcome;  ///< null while it has none, and where it is to be parked
    std::size_t outcome_bytes = 0;
  };
  using Jobs = std::unordered_map<std::uint64_t, Job>;  ///< by position
  /// Effects that wait for each other: a tenant's scripts, of which few run at a time, hold up none of its calls.
  struct Line {
    base::TenantId tenant;
    bool is_process = false;
    friend auto operator<=>(const Line&, const Line&) = default;
  };
  [[nodiscard]] static Line line_of(const shard::Effect& effect) { return {effect.tenant, effect.kind == "process"}; }
  struct Ended {
    std::uint64_t life;
    record::Lsn position;
    TryResult result;
  };
  struct Recorded {
    std::uint64_t life;
    record::Lsn position;
    base::Status status;
  };
  /// What other threads say. Shared with the completions of tries, which may outlive the dispatcher.
  struct Inbox {
    std::vector<shard::EffectChanges> changes;
    std::vector<Ended> ended;
    std::vector<Recorded> recorded;
    bool holds = false;         ///< held_ has changed
    std::uint64_t pausing = 0;  ///< number of the newest pause that is asked for; 0 = none
    bool look_again = false;    ///< after the pause, where both are asked for
    bool stopping = false;

    [[nodiscard]] bool is_empty() const;
    void clear();  ///< keeps the memory
  };
  struct Mailbox {
    std::mutex mutex;
    std::condition_variable wake;
    Inbox inbox;

    template <typename Change>
    void post(Change change);
  };

  void run();
  void live();
  void forget_all();
  [[nodiscard]] bool wait_for_life();
  std::uint64_t ask_for_pause();
  void see_pause(const Inbox& inbox);
  void note_paused(std::uint64_t pause);
  void wait();
  void end_soon();
  [[nodiscard]] bool is_over() const;
  void handle_inbox();
  void admit(shard::Effect&& effect);
  void make_ready(Job& job);
  void look_at_held();
  void pull();
  void ring_alarms();
  void begin_tries();
  [[nodiscard]] bool begin_next_of(const Line& line);
  void begin_suspect();
  /// The first job that is ready, or null. One whose time is over fails.
  [[nodiscard]] Job* take_next(std::deque<record::Lsn>& positions);
  void begin_try(Job& job);
  void end_try(Ended ended);
  void conclude(Job& job, shard::Outcome outcome);
  void fail(Job& job, base::ErrorCode code, std::string message);
  void fail_late(Job& job);
  void offer(Job& job);
  void end_offer(const Recorded& recorded);
  void cancel(record::Lsn position);
  void drop(Job& job);
  void set_alarm(Job& job, base::Duration at);
  void clear_alarm(Job& job);
  void publish_metrics();
  [[nodiscard]] bool is_suspect(const Job& job) const;
  [[nodiscard]] base::Duration backoff(std::uint32_t tries);

  const DispatcherOptions options_;
  const projection::Projection& projection_;
  const shard::Outbox& outbox_;
  TryJournal& journal_;
  const base::Clock& clock_;
  base::Random& random_;
  DispatcherPorts ports_;
  std::atomic<std::size_t> concurrency_max_;
  std::atomic<std::uint32_t> tries_max_;

  // The dispatcher thread's own.
  Inbox inbox_;  ///< taken from the mailbox, which gets its memory for the next
  OutboxWindow window_;
  Jobs jobs_;
  std::map<Line, std::deque<record::Lsn>> ready_;  ///< served in turn; may name jobs that went
  std::map<Line, std::size_t> under_way_of_;
  Line last_served_;
  std::size_t processes_under_way_ = 0;
  std::deque<record::Lsn> suspects_;  ///< ready; one at a time, so that another death names the right one
  bool suspect_under_way_ = false;
  std::set<base::TenantId> no_tries_of_;  ///< the keys of held_
  std::set<std::pair<base::Duration, std::uint64_t>> alarms_;
  std::size_t under_way_ = 0;
  base::Duration pull_not_before_{};
  std::optional<base::Duration> stop_began_;
  std::uint64_t life_ = 1;  ///< counts the pauses: what tries of an earlier one report is dropped
  bool is_ending_ = false;  ///< it stops, and does not only pause
  bool lives_again_ = false;
  DispatcherMetrics counted_;

  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
  mutable std::mutex metrics_mutex_;
  DispatcherMetrics metrics_;
  std::map<base::TenantId, bool> held_;  ///< guarded by metrics_mutex_; whether nothing of the tenant is under way
  std::atomic<std::uint64_t> pauses_asked_ = 0;
  std::uint64_t pause_seen_ = 0;
  std::uint64_t pauses_done_ = 0;  ///< guarded by metrics_mutex_
  std::condition_variable paused_;
  std::thread thread_;
};

}  // namespace trv::effects
