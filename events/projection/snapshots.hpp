#pragma once
// The snapshots of projections, in a folder beside the log: taking them while the projections are written to, and
// bringing a projection back from one. Several nodes may share the folder (docs/formats/snapshot.md).

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/log/event_log.hpp"
#include "events/projection/snapshot.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"

namespace trv::projection {

class Projection;

struct SnapshotPorts {
  log::EventLog& log;  ///< from which the projections are made
  const base::Clock& clock;
  base::Random& random;
  /// One line for people: which snapshot is not used, and why. Any thread.
  std::function<void(const std::string& line)> report;
  /// Whether the disk has room for so many bytes more. May be empty.
  std::function<base::Status(std::uint64_t bytes)> has_room = {};
  /// The name of this process among those that share the folder, fit for a file's name. Empty: it has the folder alone.
  std::string taker = {};
  ManifestKey key = {};  ///< the same for all of them
};

/// One in a process for its folder and `taker`. Any thread.
class Snapshots {
 public:
  /// Makes the folder where it is missing and removes what a crash of this taker left. The ports outlive this. Error:
  /// unavailable.
  [[nodiscard]] static base::Result<std::unique_ptr<Snapshots>> open(const std::filesystem::path& folder,
                                                                     SnapshotPorts ports);

  /// Copies the projection as it is committed now; durable on return. No writer waits. One at a time, others wait.
  /// Errors: conflict (nothing is applied yet); exhausted or unavailable (no room, the disk failed): then nothing new
  /// is there.
  [[nodiscard]] base::Result<Snapshot> take(const Projection& projection);

  /// What restore() does with a snapshot whose content is in the file. An error means: not this one.
  using Accept = std::function<base::Status(const Snapshot& snapshot)>;
  /// Puts the content of the newest snapshot of the shard that can be trusted into `file`, where nothing is, and has
  /// it accepted; goes on with the next older one where that fails, and reports why. Others may take and remove some
  /// meanwhile. nullopt: there is none. `last` is the record of the log up to which it may go; absent: any. Errors: of
  /// the log.
  [[nodiscard]] base::Result<std::optional<Snapshot>> restore(record::ShardId shard, std::string_view layout,
                                                              std::optional<record::Lsn> last,
                                                              const std::filesystem::path& file, const Accept& accept);

  /// Removes those of the shard but the `count` with the youngest records. Error: unavailable.
  [[nodiscard]] base::Status keep_newest(record::ShardId shard, std::size_t count);

  /// Removes what other takers began to make or to remove and left a day ago. Error: unavailable.
  [[nodiscard]] base::Status remove_left_over();

  /// The lsn of the oldest snapshot of the shard, where there are `count` of this layout or more and each of them can
  /// be restored: all of their bytes are read. Else nullopt. Errors: of the log.
  [[nodiscard]] base::Result<std::optional<record::Lsn>> oldest_good(record::ShardId shard, std::string_view layout,
                                                                     std::size_t count);

  /// Those of the shard whose manifests can be read, also of other takers; by lsn, the greatest first. Error:
  /// unavailable.
  [[nodiscard]] base::Result<std::vector<Snapshot>> list(record::ShardId shard) const;

 private:
  Snapshots(std::filesystem::path folder, SnapshotPorts ports);
  [[nodiscard]] std::filesystem::path taking() const;
  [[nodiscard]] base::Result<Snapshot> take_aside(const Projection& projection);
  [[nodiscard]] base::Status remove(const std::filesystem::path& snapshot);
  [[nodiscard]] base::Result<Manifests> manifests_of(record::ShardId shard) const;
  void report_unreadable(record::ShardId shard, const Manifests& found) const;
  [[nodiscard]] base::Result<std::string> refusal(const Snapshot& snapshot, std::string_view layout,
                                                  std::optional<record::Lsn> last);
  void report_refused(const Snapshot& snapshot, std::string_view why) const;

  const std::filesystem::path folder_;
  const SnapshotPorts ports_;
  std::mutex taking_mutex_;  ///< of taking() and of what is removed
};

}  // namespace trv::projection
