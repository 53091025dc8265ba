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
  /// Whether the projection is open and at its place. Any thread.
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
/// one thread without them.
class SnapshotKeeper {
 public:
  SnapshotKeeper(const SnapshotPolicy& policy, KeeperPorts ports, std::vector<KeptShard> shards);
  ~SnapshotKeeper();
  SnapshotKeeper(const SnapshotKeeper&) = delete;
  SnapshotKeeper& operator=(const SnapshotKeeper&) = delete;

  void start();
  /// After the copy or the piece of the log in hand. Idempotent.
  void stop();

  /// One look at every shard: what the thread does each second.
  void look();

 private:
  struct Kept {
    KeptShard shard;
    base::Duration last{};        ///< monotonic, when the newest was taken
    base::Duration not_before{};  ///< monotonic: something failed
    bool is_known = false;
    bool trims = false;
  };

  void run();
  void look_at(Kept& kept);
  [[nodiscard]] base::Result<bool> is_due(Kept& kept) const;
  [[nodiscard]] base::Status take(Kept& kept);
  [[nodiscard]] base::Status trim(const Kept& kept);
  [[nodiscard]] base::Result<record::Lsn> trimmed_below(const Kept& kept, const log::Bounds& bounds) const;
  [[nodiscard]] base::Result<record::Lsn> first_younger(record::ShardId shard, record::Lsn from, record::Lsn to) const;
  [[nodiscard]] base::Status trim_in_pieces(record::ShardId shard, record::Lsn below);
  /// True: it was stopped meanwhile.
  [[nodiscard]] bool wait(base::Duration time);

  const SnapshotPolicy policy_;
  const KeeperPorts ports_;
  std::vector<Kept> shards_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace trv::projection
