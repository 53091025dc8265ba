#pragma once
// A shard in this process without threads: the kernel's decisions, projectors and projection, a log in memory, and the
// void rule at its reader. The time is the caller's, and a decision draws its ids from the place where it is written,
// so that the same decision at the same place gives the same records.
//
// What it is not: it has one owner, its log always takes what it is given, and nothing is decided beside anything else.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "events/log/in_memory_event_log.hpp"
#include "events/projection/projection.hpp"
#include "events/record/record.hpp"
#include "kernel/ingest/ingest_store.hpp"
#include "kernel/shard/outbox.hpp"
#include "kernel/shard/timers.hpp"
#include "kernel/workflow/instance/decisions.hpp"
#include "kernel/workflow/instance/projector.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/scratch_folder.hpp"

namespace trv::cases {

/// Of every case.
inline constexpr std::string_view case_tenant = "cases";

using Records = std::vector<base::Bytes>;  ///< as stored, from lsn 1

/// One thread. An error of any function is one of ours, or of the disk: nothing a workflow does leads to it.
class LocalShard {
 public:
  using Decide = std::function<base::Result<shard::Decision>(const lmdb::Txn& state, shard::DecisionContext& context)>;

  /// Begins with these records, as the log of a process that ended behind the last of them, be it within a decision:
  /// the new owner's claim comes behind them. The folder must not exist, or have the projection of an earlier shard,
  /// which may be behind or ahead of the records.
  [[nodiscard]] static base::Result<std::unique_ptr<LocalShard>> open(const std::filesystem::path& folder,
                                                                      const Records& records);

  /// Whether it changed something. Error: the refusal.
  [[nodiscard]] base::Result<bool> decide(base::Timestamp now, const Decide& decide);

  [[nodiscard]] base::Result<lmdb::ReadTxn> read() const { return projection_->begin_read(); }
  [[nodiscard]] instance::Workflows workflows() { return {projector_.tables(), cache_, outbox_}; }
  [[nodiscard]] const shard::Outbox& outbox() const noexcept { return outbox_; }
  [[nodiscard]] const shard::Timers& timers() const noexcept { return timers_; }
  [[nodiscard]] const ingest::IngestStore& ingest() const noexcept { return ingest_; }
  /// All that count, with those that it began with.
  [[nodiscard]] const Records& records() const noexcept { return records_; }
  [[nodiscard]] instance::RecordAt record_at() const;
  /// Of all tables of the projection.
  [[nodiscard]] base::Result<base::Digest> digest() const { return projection_->content_digest(); }
  /// The same after the projection was made again from the log.
  [[nodiscard]] base::Result<base::Digest> digest_of_replay();
  /// Lets the projection go further than the log: applies records that a log has taken before it was cut.
  [[nodiscard]] base::Status run_ahead(const Records& records);

 private:
  LocalShard() = default;
  [[nodiscard]] base::Status begin(const std::filesystem::path& folder, const Records& records);
  [[nodiscard]] base::Status read_records();

  log::InMemoryEventLog log_;
  log::Claim claim_;
  shard::Timers timers_;
  shard::Outbox outbox_;
  ingest::IngestStore ingest_;
  instance::WorkflowProjector projector_{timers_};
  std::unique_ptr<projection::Projection> projection_;
  instance::DefinitionCache cache_;
  record::RecordEncoder encoder_;
  record::Lsn next_{1};
  base::Digest last_hash_{};
  Records records_;
};

/// For a projection; in memory where that can be had, as nothing there has to outlive the process.
[[nodiscard]] base::Result<base::ScratchFolder> make_scratch_folder();

}  // namespace trv::cases
