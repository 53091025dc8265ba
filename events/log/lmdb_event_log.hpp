#pragma once
// The embedded log: one LMDB environment, one append-only table per shard. The default: no server.

#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "events/lmdb/env.hpp"
#include "events/lmdb/table.hpp"
#include "events/log/event_log.hpp"

namespace trv::log {

struct LmdbEventLogOptions {
  std::uint64_t map_bytes = std::uint64_t{64} << 30;
  unsigned shards_max = 256;
};

/// Owners in several processes are arbitrated by LMDB's write lock: an append checks, in the transaction that writes
/// it, that no later claim was made, so records of a former owner do not come to exist. settle() writes every batch
/// that any shard has handed over and pays one fsync for all of them. A position is the number of an entry. Hints are
/// not used: the claims lead to every lsn at once.
class LmdbEventLog final : public EventLog {
 public:
  /// Creates the folder where it is missing. Errors: as lmdb::Env::open.
  [[nodiscard]] static base::Result<std::unique_ptr<LmdbEventLog>> open(const std::filesystem::path& folder,
                                                                        const LmdbEventLogOptions& options = {});
  ~LmdbEventLog() override;

  [[nodiscard]] base::Result<Claim> claim(ShardId shard, std::string_view node, const base::Uuid& nonce,
                                          const EnginePosition& hint = {}) override;
  [[nodiscard]] base::Result<Claim> claim_as(ShardId shard, Epoch epoch, std::string_view node,
                                             const base::Uuid& nonce) override;
  [[nodiscard]] base::Result<Ticket> append(const Claim& claim, Batch batch) override;
  [[nodiscard]] base::Result<Settled> settle(const Ticket& ticket) override;
  [[nodiscard]] base::Result<std::unique_ptr<Reader>> read(ShardId shard, Lsn from,
                                                           const EnginePosition& hint = {}) override;
  [[nodiscard]] base::Result<Bounds> bounds(ShardId shard) override;
  [[nodiscard]] base::Status trim(ShardId shard, Lsn below) override;

  /// For a copy of a log whose beginning was trimmed: the first record of the shard will be `first`, at least 1. Error:
  /// conflict where the shard was claimed before.
  [[nodiscard]] base::Status begin_at(ShardId shard, Lsn first);

  [[nodiscard]] base::Result<lmdb::EnvStats> stats() const { return env_.stats(); }

 private:
  friend class LmdbShardReader;
  struct Pending {
    Ticket ticket;
    Epoch epoch;
    Batch batch;
  };
  using Outcomes = std::vector<base::Result<Settled>>;
  struct Owned {
    Epoch epoch;
    Lsn next;
    std::uint64_t tickets = 0;
  };

  LmdbEventLog(lmdb::Env env, lmdb::Table unnamed, lmdb::Table claims) noexcept;

  [[nodiscard]] base::Result<Claim> claim_at(ShardId shard, std::optional<Epoch> epoch, std::string_view node,
                                             const base::Uuid& nonce);
  [[nodiscard]] base::Result<std::optional<lmdb::Table>> entries_of(ShardId shard);
  [[nodiscard]] Outcomes write(std::span<const Pending> work);
  [[nodiscard]] base::Result<bool> trim_some(ShardId shard, Lsn below, const lmdb::Table& entries);
  [[nodiscard]] base::Status write_together(std::span<const Pending> work, Outcomes& outcomes);
  void publish() noexcept;

  lmdb::Env env_;
  lmdb::Table unnamed_;  // shard -> where its log ends
  lmdb::Table claims_;   // shard, lsn after the claim -> where the claim is

  std::mutex commit_mutex_;  // one write transaction at a time; taken before any other
  std::mutex tables_mutex_;
  std::map<ShardId, lmdb::Table> entries_;  // position -> entry
  std::mutex queue_mutex_;
  std::map<ShardId, Owned> owned_;
  std::vector<Pending> pending_;
  std::map<std::pair<ShardId, std::uint64_t>, base::Result<Settled>> settled_;
  std::mutex version_mutex_;
  std::condition_variable grown_;
  std::uint64_t version_ = 0;
};

}  // namespace trv::log
