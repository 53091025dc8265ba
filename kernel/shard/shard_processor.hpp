#pragma once
// A shard: one ordered log, one projection, one writer thread. Everything that changes state goes through it:
// decide → apply into an open transaction → append → settle → commit → reply. The transaction spans several appends:
// later commands are decided while the log works on what was decided before. See docs/architecture.md.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "events/log/event_log.hpp"
#include "events/projection/projection.hpp"
#include "kernel/shard/command.hpp"
#include "kernel/shard/timers.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"

namespace trv::shard {

/// Who decides which process owns a shard. The log's claims are the fence in either case.
enum class Ownership {
  sole,      ///< nobody else wants it: claims it at the start, and again whenever it was lost
  assigned,  ///< follows the log as standby, but between own() and cede()
};

struct ShardOptions {
  log::ShardId shard;
  std::string node = "node";              ///< who claims the shard
  std::size_t batch_commands_max = 4096;  ///< one group commit
  /// A batch takes no further command once it has so many bytes of records, or has decided for so long.
  std::size_t batch_bytes_max = std::size_t{4} << 20;
  /// So many bytes of records go to the log while later commands of the batch are decided.
  std::size_t append_bytes = std::size_t{64} << 10;
  base::Duration batch_time_max = std::chrono::milliseconds(20);
  std::size_t queue_commands_max = 65536;  ///< more are refused as exhausted
  /// Real time until a shard that is not owned is claimed again without a command to decide.
  base::Duration claim_wait = std::chrono::seconds(1);
  Ownership ownership = Ownership::sole;
};

/// What the shard tells the rest of the kernel. Called on the shard's thread; must not block.
struct ShardListeners {
  /// Effects became durable, or were cancelled: in the order of their records.
  std::function<void(EffectChanges)> effects;
  /// The shard was taken over: its outbox may hold any number of effects that `effects` never named.
  std::function<void()> taken_over;
  /// A timer is due: what to decide. The decision cancels or moves the timer; a timer that it leaves is asked for again
  /// a second later.
  std::function<Command(const Timer&)> timer;
  /// The command's decision lacks something: run the preparation on another thread, then submit the command again. May
  /// be empty: then decisions make themselves what they lack.
  std::function<void(Command, Preparation)> prepare;
  /// The shard was claimed, and its projection is at the log's end. May be empty.
  std::function<void(const log::Claim&)> claimed;
  /// From now on it follows as standby: it was ceded, or another process has claimed it. May be empty.
  std::function<void()> ceded;
  /// Records up to `last` are durable and projected, also those that another process appended.
  std::function<void(log::Lsn last)> committed;
  /// Whether a tenant may be changed in this shard, as the state shows it; the error is the command's refusal. May be
  /// empty.
  std::function<base::Status(const lmdb::Txn& state, const base::TenantId& tenant)> check_here;
  /// What the node's storage or the log says when it does not take a batch. May come often.
  std::function<void(const base::Error&)> failed;
  /// Whether there is room to store more; asked before each batch and by why_not_ready(), on any thread. The error's
  /// message is for clients. May be empty.
  std::function<base::Status()> room;
};

struct ShardMetrics {
  std::uint64_t commands = 0;
  std::uint64_t refused = 0;
  std::uint64_t records = 0;
  std::uint64_t batches = 0;
  std::uint64_t appends = 0;  ///< of the batches; one or more each
  std::uint64_t claims = 0;
  std::uint64_t timers_fired = 0;
  std::uint64_t queue_length = 0;
  std::uint64_t applied_lsn = 0;
  std::uint64_t catch_up_lsn = 0;  ///< up to which it applies before it is ready
  std::uint64_t followed = 0;      ///< transactions that applied what another process had appended
  bool owner = false;
};

class ShardProcessor {
 public:
  /// All references must outlive the processor. `projection` holds every projector, `timers` among them.
  ShardProcessor(ShardOptions options, log::EventLog& log, projection::Projection& projection, Timers& timers,
                 const base::Clock& clock, base::Random& random, ShardListeners listeners);
  ~ShardProcessor();
  ShardProcessor(const ShardProcessor&) = delete;
  ShardProcessor& operator=(const ShardProcessor&) = delete;

  /// Claims the shard, unless it begins as standby, brings the projection up to the log's end and starts the thread.
  /// Error: cancelled where `stop` asked for the end of that; then the projection keeps what it has applied.
  [[nodiscard]] base::Result<projection::CatchUp> start(const std::stop_token& stop = {});
  /// Finishes the batch in hand, refuses what is queued with `unavailable` and joins the thread. Idempotent.
  void stop();

  /// For Ownership::assigned, any thread; both return at once. own(): claims the shard, and serves it until cede() or
  /// until another process has claimed it. cede(): finishes the batch in hand, refuses what waits with `unavailable`
  /// and follows. What was asked for last counts.
  void own();
  void cede();

  /// Any thread. The command's `done` is called exactly once, also when it is refused here.
  void submit(Command command);
  /// Wakes the thread to look at its timers again; for simulated clocks. Any thread.
  void poke();

  [[nodiscard]] ShardMetrics metrics() const;
  /// True while this process owns the shard and the log takes appends. Any thread.
  [[nodiscard]] bool ready() const;
  /// True while this process applies what the shard's owner appends. Any thread.
  [[nodiscard]] bool follows() const;
  /// The log holds what this version of the program cannot apply, or lacks what the projection has not applied: the
  /// shard is not followed, nor owned, any more. Any thread.
  [[nodiscard]] bool is_outdated() const noexcept { return is_outdated_; }
  /// Why the shard does not take every command now, for clients; empty where it does. Any thread.
  [[nodiscard]] std::string why_not_ready() const;

 private:
  struct Pending;
  struct Batch;
  struct Fate;
  /// Until a timer that its decision left, or a look at the timers that failed, is tried again.
  static constexpr base::Duration retry_wait = std::chrono::seconds(1);
  static constexpr std::string_view is_elsewhere = "this node does not own the shard; ask again in a moment";

  void run();
  void serve(std::deque<Command> commands);
  void step_down();
  void lose();
  void stand_by();
  void report(const base::Error& error);
  [[nodiscard]] bool follow();
  void refuse_waiting(const std::string& reason);
  [[nodiscard]] projection::Progress progress(const std::stop_token& stop);
  void want(bool to_own);
  [[nodiscard]] base::Result<projection::CatchUp> take_ownership(const std::stop_token& stop);
  [[nodiscard]] base::Result<std::deque<Command>> due_timers();
  [[nodiscard]] base::Status attempt(Batch& batch, projection::ProjectionTxn& txn);
  [[nodiscard]] base::Status decide(Pending& pending, Batch& batch, projection::ProjectionTxn& txn);
  [[nodiscard]] base::Status encode(const Decision& decision, Batch& batch);
  [[nodiscard]] base::Status hand_over(Batch& batch, projection::ProjectionTxn& txn);
  void publish(Batch& batch, projection::ProjectionTxn txn, bool is_whole);
  [[nodiscard]] Fate settle(const Batch& batch);
  [[nodiscard]] base::Status project_again(log::Lsn last);
  [[nodiscard]] base::Error refusal_of(const base::Result<log::Settled>& failed);
  [[nodiscard]] base::Error outcome_unknown(const base::Error& cause);
  void answer(Batch& batch);
  void refuse_all(Batch& batch, const base::Error& error);
  [[nodiscard]] base::Error storage_failed(const base::Error& error);
  [[nodiscard]] base::Timestamp now();
  void look_at_timers();
  [[nodiscard]] base::Status find_next_timer();

  ShardOptions options_;
  log::EventLog& log_;
  projection::Projection& projection_;
  Timers& timers_;
  const base::Clock& clock_;
  ShardListeners listeners_;

  // The shard thread's own.
  base::Timestamp now_;       ///< the shard's time when it was read last; never less than that of the last record
  base::Duration read_at_{};  ///< monotonic, when now_ was read
  base::UuidSource ids_;
  std::optional<log::Claim> claim_;  ///< nullopt: not the owner
  record::RecordEncoder encoder_;
  std::vector<base::Digest> hashes_;  ///< of the records of the decision in hand
  std::optional<base::Timestamp> next_timer_;
  std::map<Timer, base::Timestamp> set_again_;  ///< timers that their decision left, and when they are asked for again
  bool failed_ = false;                         ///< the log did not take the last batch
  std::optional<base::Error> lack_;             ///< why there is no room for more

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Command> queue_;
  bool stopping_ = false;
  bool poked_ = false;
  bool is_wanted_;                        ///< this process is to own the shard
  std::unique_ptr<log::Reader> standby_;  ///< of what the owner appends; null where it does not follow
  bool owner_ = false;
  std::atomic<bool> is_outdated_ = false;
  std::string outdated_because_;
  base::Duration full_until_{0};  ///< monotonic; a batch failed a while before it because there was no room
  ShardMetrics metrics_;
  std::thread thread_;
};

}  // namespace trv::shard
