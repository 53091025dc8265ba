#pragma once
// The state derived from one shard's log: an LMDB environment plus how far the log is applied, in one transaction.
//
// It is disposable. Its environment does not sync; after the machine went down without close() it is discarded, and a
// snapshot or the log brings it back.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events/lmdb/env.hpp"
#include "events/lmdb/table.hpp"
#include "events/log/event_log.hpp"
#include "events/projection/applied.hpp"
#include "events/projection/projector.hpp"
#include "events/record/position.hpp"
#include "events/record/record.hpp"
#include "sdk/base/result.hpp"

namespace trv::projection {

class Snapshots;

/// Names this start of the machine. A port; the real one is kernel_boot_id().
using BootIdSource = std::function<base::Result<std::string>()>;
[[nodiscard]] base::Result<std::string> kernel_boot_id();

struct ProjectionOptions {
  std::filesystem::path folder;
  std::uint64_t map_bytes = std::uint64_t{64} << 30;
  unsigned tables_max = 128;
  unsigned readers_max = 512;
  BootIdSource boot_id = kernel_boot_id;
  Snapshots* snapshots = nullptr;  ///< used instead of starting empty where one fits; outlives the projection
};

/// What open() found.
struct OpenReport {
  enum class Kind {
    created,    ///< there was none
    reused,     ///< goes on where it was
    restored,   ///< there was none, or it was discarded: a snapshot took its place
    discarded,  ///< discarded; starts empty
  };
  Kind kind = Kind::created;
  std::string reason;  ///< why it was discarded, for people
};

struct CatchUp {
  record::Lsn from;  ///< applied before; by a snapshot or 0 where it was rebuilt
  record::Lsn to;    ///< applied now
  bool rebuilt = false;
  std::string reason;  ///< why it was rebuilt
};

/// Called now and then with how far a catch-up is. An error ends the catch-up, which keeps what it has applied.
using Progress = std::function<base::Status(record::Lsn applied, record::Lsn last)>;

/// A write transaction over the projection, bound to the thread that began it. Aborts unless committed.
class ProjectionTxn {
 public:
  /// For decide(): sees what was applied in this transaction.
  [[nodiscard]] lmdb::WriteTxn& txn() noexcept { return txn_; }
  [[nodiscard]] const lmdb::WriteTxn& txn() const noexcept { return txn_; }
  [[nodiscard]] const Applied& applied() const noexcept { return applied_; }

 private:
  friend class Projection;
  ProjectionTxn(lmdb::WriteTxn txn, const Applied& applied) noexcept : txn_(std::move(txn)), applied_(applied) {}

  lmdb::WriteTxn txn_;
  Applied applied_;
  bool sealed_ = false;
};

/// Everything but begin_read(), committed(), copy_to(), stats(), shard() and layout(): the shard's thread.
class Projection {
 public:
  /// Opens what is in the folder, or discards it when it cannot be trusted (unclean end of the machine, other
  /// projectors or layout versions, damage) and begins with a snapshot or empty. The projectors are borrowed and apply
  /// in this order.
  [[nodiscard]] static base::Result<std::unique_ptr<Projection>> open(ProjectionOptions options, record::ShardId shard,
                                                                      std::vector<Projector*> projectors);
  /// The next open() of the folder, which nobody has open, makes it anew. Error: unavailable.
  [[nodiscard]] static base::Status distrust(const std::filesystem::path& folder);
  /// As close(), errors ignored: then the next open() after a restart of the machine rebuilds.
  ~Projection();
  Projection(const Projection&) = delete;
  Projection& operator=(const Projection&) = delete;

  [[nodiscard]] const OpenReport& open_report() const noexcept { return report_; }
  [[nodiscard]] record::ShardId shard() const noexcept { return shard_; }
  /// The shard, the projectors and their versions: a state of another layout is of no use.
  [[nodiscard]] std::string layout() const;
  /// The log goes on with a record that this version of the program cannot apply: a later one wrote it. It stays so.
  [[nodiscard]] bool is_outdated() const noexcept { return is_outdated_; }
  /// Damage was found in its files: the next open() makes it anew. Any thread.
  [[nodiscard]] bool is_damaged() const noexcept { return env_->is_damaged(); }
  /// As of the last commit.
  [[nodiscard]] const Applied& applied() const noexcept { return applied_; }
  /// The same for any thread.
  [[nodiscard]] base::Result<Applied> committed() const;

  [[nodiscard]] base::Result<ProjectionTxn> begin();
  /// Runs every projector. `stored_hash` is hash_of(record.stored()). Errors: corrupt if the record does not follow
  /// what is applied (shard, lsn, prev_hash, epoch); invalid if this version cannot apply it; what a projector says.
  /// After an error, abort the transaction.
  [[nodiscard]] base::Status apply(ProjectionTxn& txn, const record::RecordView& record,
                                   const base::Digest& stored_hash);
  /// After apply() and before the log takes what was applied: projects what is left of it, so that nothing but the
  /// commit can fail. More may be applied behind it, and sealed. After an error, abort the transaction. Errors: of the
  /// projectors.
  [[nodiscard]] base::Status seal(ProjectionTxn& txn);
  /// Only where nothing was applied after the last seal(), and after the log has settled what was applied: the
  /// projection never holds what the log does not. `position` is of the last record that was applied.
  [[nodiscard]] base::Status commit(ProjectionTxn txn, const log::EnginePosition& position);

  /// Any thread. Do not hold one over rebuild() or catch_up().
  [[nodiscard]] base::Result<lmdb::ReadTxn> begin_read() const { return env_->begin_read(); }

  /// Applies what the log holds up to its end as of now, in bounded transactions, verifying the chain. Where the
  /// projection contradicts the log (it is ahead, or holds another record), it is rebuilt, from a snapshot where one
  /// fits.
  /// Errors: of the log, of the projectors, corrupt where the chain breaks.
  [[nodiscard]] base::Result<CatchUp> catch_up(log::EventLog& log, const Progress& progress = {});
  /// The same up to `last` and no further, though the log may hold more by now. What a new owner does: up to the lsn
  /// before its claim's next, so that what a still newer owner appends stays out.
  [[nodiscard]] base::Result<CatchUp> catch_up_to(log::EventLog& log, record::Lsn last, const Progress& progress = {});
  /// Applies what the reader has, whole decisions in one transaction; waits up to `timeout` for the first. False: none
  /// came. `reader` gives the records behind those that are applied; after an error it is of no use. Errors: of the
  /// log, of the projectors, corrupt where the chain breaks.
  [[nodiscard]] base::Result<bool> follow(log::Reader& reader, base::Duration timeout);
  /// Deletes the files and replays from lsn 1.
  [[nodiscard]] base::Result<CatchUp> rebuild(log::EventLog& log, const Progress& progress = {});

  /// Size of the environment; any thread.
  [[nodiscard]] base::Result<lmdb::EnvStats> stats() const { return env_->stats(); }

  /// SHA-256 over names, keys and values of all tables in order. Equal logs give equal digests, whatever the way.
  [[nodiscard]] base::Result<base::Digest> content_digest() const;
  /// Copies the committed rows into a new folder, in one read transaction that no writer waits for; durable on return.
  /// Returns how far the log is applied in the copy. Errors: exhausted, unavailable.
  [[nodiscard]] base::Result<Applied> copy_to(const std::filesystem::path& folder) const;
  /// Brings everything to the disk and marks the end as clean. Nothing may follow but the destructor.
  [[nodiscard]] base::Status close();

 private:
  Projection(ProjectionOptions options, record::ShardId shard, std::vector<Projector*> projectors);

  /// The record after those that the transaction has applied. `known` has its hash; `apply_one` gets the place of a
  /// projector and the record.
  template <typename ApplyOne>
  [[nodiscard]] base::Status advance(ProjectionTxn& txn, const record::RecordView& known, const ApplyOne& apply_one);
  /// What came of a record of the log.
  [[nodiscard]] base::Status note(base::Status applied);
  [[nodiscard]] base::Status refuse_unless_next(const Applied& applied, const record::RecordView& record) const;
  [[nodiscard]] base::Error of_projector(base::Error error, std::size_t place, record::Lsn lsn) const;
  [[nodiscard]] std::string reason_to_discard() const;
  [[nodiscard]] base::Status open_or_discard();
  [[nodiscard]] base::Status open_files();
  [[nodiscard]] base::Status remove_files();
  [[nodiscard]] base::Result<bool> restore(std::optional<record::Lsn> last);
  [[nodiscard]] base::Status take_restored(const std::filesystem::path& file, const Applied& wanted);
  [[nodiscard]] base::Result<CatchUp> replay_from_start(log::EventLog& log, record::Lsn last, std::string reason,
                                                        const Progress& progress);
  [[nodiscard]] base::Status replay(log::EventLog& log, record::Lsn last, const Progress& progress);

  ProjectionOptions options_;
  record::ShardId shard_;
  std::vector<Projector*> projectors_;
  std::string boot_id_;
  std::unique_ptr<lmdb::Env> env_;
  lmdb::Table applied_row_;
  Applied applied_;
  OpenReport report_;
  bool closed_ = false;
  bool is_outdated_ = false;
};

template <typename ApplyOne>
base::Status Projection::advance(ProjectionTxn& txn, const record::RecordView& known, const ApplyOne& apply_one) {
  TRV_TRY(refuse_unless_next(txn.applied_, known));
  txn.sealed_ = false;
  for (std::size_t place = 0; place < projectors_.size(); ++place) {
    if (base::Status status = apply_one(place, known); !status) {
      return std::unexpected(of_projector(std::move(status).error(), place, known.lsn()));
    }
  }
  txn.applied_ = {
      .lsn = known.lsn(), .epoch = known.epoch(), .last_hash = known.hash(), .time = known.time(), .position = {}};
  return {};
}

}  // namespace trv::projection
