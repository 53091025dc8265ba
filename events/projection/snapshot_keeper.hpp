#pragma once
// What becomes of snapshots while a node runs: when one is taken, how many are kept, and what is trimmed of the log.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "events/projection/snapshots.hpp"
#include "sdk/base/replaceable.hpp"

namespace trv::projection {

struct SnapshotPolicy {
  /// Age of a shard's newest snapshot at which another is taken, where records came since. 0: none is ever taken.
  base::Duration interval = std::chrono::hours(1);
  std::uint64_t records = 1'000'000;  ///< so many since the newest, and another is taken at once
  std::size_t keep = 2;               ///< of each shard
  /// Records that are older are trimmed, where nothing below says that they are needed. 0: nothing is ever trimmed.
  base::Duration log_kept{0};
};

struct KeptShard {
  const Projection* projection;  ///< outlives the keeper
  /// Whether the projection is open and this process is to take its snapshots. Any thread.
  std::function<bool()> is_ready;
  /// The first record that the state leads its readers to, besides those of audit trails; absent: it leads to none. May
  /// be empty.
  std::function<base::Result<std::optional<record::Lsn>>(const lmdb::Txn& state)> first_needed = {};
};

struct KeeperPorts {
  Snapshots& snapshots;
  log::EventLog& log;
  const base::Clock& clock;
  std::function<bool()> keeps_all;                      ///< while true, nothing is removed: a backup is under way
  std::function<void(const std::string& line)> note;    ///< what was done
  std::function<void(const std::string& line)> failed;  ///< what was not, and is tried again
};

/// Has a thread of its own, on which everything is done and called. start() and stop() from one thread; or look() from
/// one thread without them. take_now() from any other, while it runs.
class SnapshotKeeper {
 public:
  SnapshotKeeper(const SnapshotPolicy& policy, KeeperPorts ports, std::vector<KeptShard> shards);
  ~SnapshotKeeper();
  SnapshotKeeper(const SnapshotKeeper&) = delete;
  SnapshotKeeper& operator=(const SnapshotKeeper&) = delete;

  /// From the next look on. Any thread.
  void replace_policy(const SnapshotPolicy& policy);

  void start();
  /// After the copy or the piece of the log in hand. Idempotent.
  void stop();

  /// One look at every shard: what the thread does each second.
  void look();

  /// The newest snapshot of a shard that is kept, where it goes up to `lsn` or further; else has one taken, whatever
  /// the policy says, and waits for its end. nullopt: it goes on after `within`. `lsn` is committed. Errors: of
  /// Snapshots::take; unavailable where another process takes them.
  [[nodiscard]] base::Result<std::optional<Snapshot>> take_now(record::ShardId shard, record::Lsn lsn,
                                                               base::Duration within);

 private:
  struct Kept {
    KeptShard shard;
    record::Lsn taken = {};       ///< of the newest; 0: there is none
    base::Duration last{};        ///< monotonic, when the newest was taken
    base::Duration not_before{};  ///< monotonic: something failed
    bool is_known = false;        ///< as long as it is ready: others take them meanwhile
    bool trims = false;
    record::Lsn asked = {};      ///< take_now() waits for a snapshot up to there; 0: nobody does. Under mutex_
    std::uint64_t answered = 0;  ///< how often one that was asked for has ended. Under mutex_
    base::Status answer = {};    ///< how the last of them ended. Under mutex_
  };

  void run();
  [[nodiscard]] base::Status look_at(Kept& kept, record::Lsn asked);
  [[nodiscard]] base::Status keep(Kept& kept, record::Lsn asked);
  [[nodiscard]] base::Result<std::optional<Snapshot>> newest(const Kept& kept) const;
  [[nodiscard]] base::Status find_newest(Kept& kept) const;
  [[nodiscard]] base::Result<bool> is_due(const Kept& kept) const;
  [[nodiscard]] base::Status take(Kept& kept);
  [[nodiscard]] base::Status trim(const Kept& kept);
  [[nodiscard]] base::Result<record::Lsn> trimmed_below(const Kept& kept, const log::Bounds& bounds) const;
  [[nodiscard]] base::Result<record::Lsn> first_younger(record::ShardId shard, record::Lsn from, record::Lsn to) const;
  [[nodiscard]] base::Status trim_in_pieces(record::ShardId shard, record::Lsn below);
  /// As wait(), and ends early where a snapshot is asked for.
  [[nodiscard]] bool wait_for_next_look();
  /// True: it was stopped meanwhile.
  [[nodiscard]] bool wait(base::Duration time);

  base::Replaceable<SnapshotPolicy> policy_;
  const KeeperPorts ports_;
  std::vector<Kept> shards_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace trv::projection
