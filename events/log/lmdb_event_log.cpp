#include "events/log/lmdb_event_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "events/log/lmdb_rows.hpp"
#include "events/log/lmdb_shard_reader.hpp"
#include "events/record/entry.hpp"
#include "sdk/base/contract.hpp"

namespace trv::log {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;

namespace {

constexpr std::size_t node_bytes_max = 255;
constexpr std::uint64_t trim_entries_max = 4096;

constexpr std::string_view entries_prefix = "entries.";

std::string entries_name(ShardId shard) {
  return fmt::format("{}{}", entries_prefix, shard.value());
}

}  // namespace

LmdbEventLog::LmdbEventLog(lmdb::Env env, lmdb::Table unnamed, lmdb::Table claims) noexcept
    : env_(std::move(env)), unnamed_(unnamed), claims_(claims) {}

LmdbEventLog::~LmdbEventLog() = default;

Result<std::unique_ptr<LmdbEventLog>> LmdbEventLog::open(const std::filesystem::path& folder,
                                                         const LmdbEventLogOptions& options) {
  TRV_TRY_ASSIGN(lmdb::Env env, lmdb::Env::open(folder, {.map_bytes = options.map_bytes,
                                                         .tables_max = options.shards_max + 1,
                                                         .sync = lmdb::Sync::full}));
  lmdb::Table unnamed;
  lmdb::Table claims;
  std::map<ShardId, lmdb::Table> entries;
  {
    TRV_TRY_ASSIGN(lmdb::WriteTxn txn, env.begin_write());
    TRV_TRY_ASSIGN(unnamed, txn.open_table(""));
    TRV_TRY_ASSIGN(claims, txn.create_table("claims"));
    TRV_TRY_ASSIGN(const auto names, txn.table_names());
    for (const std::string& name : names) {
      if (!name.starts_with(entries_prefix)) continue;
      const ShardId shard(std::strtoull(name.c_str() + entries_prefix.size(), nullptr, 10));
      TRV_TRY_ASSIGN(entries[shard], txn.open_table(name, lmdb::Keys::integer));
    }
    TRV_TRY(txn.commit());
  }
  std::unique_ptr<LmdbEventLog> log(new LmdbEventLog(std::move(env), unnamed, claims));
  log->entries_ = std::move(entries);
  return log;
}

Result<std::optional<lmdb::Table>> LmdbEventLog::entries_of(ShardId shard) {
  {
    const std::lock_guard lock(tables_mutex_);
    if (const auto known = entries_.find(shard); known != entries_.end()) return known->second;
  }
  // Another process may have made it since. LMDB lets one thread at a time open tables, hence the commit lock.
  {
    TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, env_.begin_read());
    TRV_TRY_ASSIGN(const ShardEnd end, ShardEnd::read(txn, unnamed_, shard));
    if (end.epoch == Epoch()) return std::nullopt;
  }
  const std::lock_guard commit_lock(commit_mutex_);
  TRV_TRY_ASSIGN(lmdb::WriteTxn txn, env_.begin_write());
  TRV_TRY_ASSIGN(const lmdb::Table table, txn.open_table(entries_name(shard), lmdb::Keys::integer));
  TRV_TRY(txn.commit());
  const std::lock_guard lock(tables_mutex_);
  entries_.emplace(shard, table);
  return table;
}

Result<Claim> LmdbEventLog::claim(ShardId shard, std::string_view node, const base::Uuid& nonce,
                                  const EnginePosition&) {
  return claim_at(shard, std::nullopt, node, nonce);
}

Result<Claim> LmdbEventLog::claim_as(ShardId shard, Epoch epoch, std::string_view node, const base::Uuid& nonce) {
  TRV_EXPECTS(epoch >= Epoch(1));
  return claim_at(shard, epoch, node, nonce);
}

Result<Claim> LmdbEventLog::claim_at(ShardId shard, std::optional<Epoch> wanted, std::string_view node,
                                     const base::Uuid& nonce) {
  TRV_EXPECTS(shard.value() <= UINT32_MAX);
  if (node.empty() || node.size() > node_bytes_max) {
    return fail(ErrorCode::invalid,
                fmt::format("a node's name has 1 to {} bytes, this one has {}", node_bytes_max, node.size()));
  }
  const std::lock_guard commit_lock(commit_mutex_);
  Claim claim{.shard = shard, .epoch = {}, .nonce = nonce, .next = {}, .last_hash = {}};
  lmdb::Table entries;
  {
    TRV_TRY_ASSIGN(lmdb::WriteTxn txn, env_.begin_write());
    TRV_TRY_ASSIGN(entries, txn.create_table(entries_name(shard), lmdb::Keys::integer));
    TRV_TRY_ASSIGN(ShardEnd end, ShardEnd::read(txn, unnamed_, shard));
    claim.epoch = wanted.value_or(end.epoch.next());
    if (claim.epoch < end.epoch) return claimed_later(shard, claim.epoch, end.epoch);
    const bool goes_on = claim.epoch == end.epoch;
    // What was torn never happened: an owner goes back to the last whole decision.
    const bool is_torn = goes_on && end.next > end.next_decision;
    const std::uint64_t last_position = is_torn ? end.next_position - 1 : end.decided_position;
    if (last_position != 0) {
      TRV_TRY_ASSIGN(const auto last, entries.get(txn, last_position));
      if (!last.has_value()) {
        return fail(ErrorCode::corrupt, fmt::format("{}: the last record of shard {}, position {}, is missing",
                                                    env_.folder().string(), shard.value(), last_position));
      }
      claim.last_hash = record::hash_of(*last);
    }
    claim.next = is_torn ? end.next : end.next_decision;
    if (!goes_on) {
      end.epoch = claim.epoch;
      end.next = claim.next;
      const base::Bytes entry =
          record::encode_claim({.shard = shard, .epoch = claim.epoch, .node = std::string(node), .nonce = nonce});
      TRV_TRY(entries.append(txn, end.next_position, entry));
      const ClaimPlace place{.position = end.next_position, .epoch = end.epoch, .next = end.next};
      TRV_TRY(place.write(txn, claims_, shard));
      ++end.next_position;
      TRV_TRY(end.write(txn, unnamed_, shard));
    }
    TRV_TRY(txn.commit());
  }
  {
    const std::lock_guard lock(tables_mutex_);
    entries_.insert_or_assign(shard, entries);
  }
  {
    const std::lock_guard lock(queue_mutex_);
    Owned& owned = owned_[shard];
    owned.epoch = claim.epoch;
    owned.next = claim.next;
  }
  publish();
  return claim;
}

Status LmdbEventLog::begin_at(ShardId shard, Lsn first) {
  TRV_EXPECTS(first >= Lsn(1));
  const std::lock_guard commit_lock(commit_mutex_);
  TRV_TRY_ASSIGN(lmdb::WriteTxn txn, env_.begin_write());
  TRV_TRY_ASSIGN(ShardEnd end, ShardEnd::read(txn, unnamed_, shard));
  if (end.epoch != Epoch()) {
    return fail(ErrorCode::conflict,
                fmt::format("shard {} was claimed before; it begins at record {}", shard.value(), end.first.value()));
  }
  end.first = first;
  end.next = first;
  end.next_decision = first;
  TRV_TRY(end.write(txn, unnamed_, shard));
  return txn.commit();
}

Result<Ticket> LmdbEventLog::append(const Claim& claim, Batch batch) {
  TRV_EXPECTS(!batch.empty());
  const auto refused = [&](std::string_view what) {
    return fail(
        ErrorCode::conflict,
        fmt::format("a batch of shard {}, epoch {}, from lsn {}, {} (claim: shard {}, epoch {})", batch.shard().value(),
                    batch.epoch().value(), batch.first().value(), what, claim.shard.value(), claim.epoch.value()));
  };
  if (batch.shard() != claim.shard || batch.epoch() != claim.epoch) return refused("is not of this claim");
  const std::lock_guard lock(queue_mutex_);
  Owned& owned = owned_[claim.shard];
  if (claim.epoch > owned.epoch) {
    owned.epoch = claim.epoch;
    owned.next = claim.next;
  }
  // settle() says so to an older claim: only the log decides which claim has lost.
  if (claim.epoch == owned.epoch) {
    if (batch.first() != owned.next) return refused(fmt::format("does not continue at lsn {}", owned.next.value()));
    owned.next = batch.last().next();
  }
  const Ticket ticket{.shard = claim.shard, .number = ++owned.tickets};
  pending_.push_back({ticket, claim.epoch, std::move(batch)});
  return ticket;
}

Result<Settled> LmdbEventLog::settle(const Ticket& ticket) {
  const auto take = [&]() -> std::optional<Result<Settled>> {
    const auto found = settled_.find({ticket.shard, ticket.number});
    if (found == settled_.end()) return std::nullopt;
    Result<Settled> result = std::move(found->second);
    settled_.erase(found);
    return result;
  };
  {
    const std::lock_guard lock(queue_mutex_);
    if (auto result = take()) return *std::move(result);
  }
  // The caller that gets here first writes for all that wait behind it.
  const std::lock_guard commit_lock(commit_mutex_);
  std::vector<Pending> work;
  {
    const std::lock_guard lock(queue_mutex_);
    if (auto result = take()) return *std::move(result);
    work.swap(pending_);
  }
  Outcomes outcomes = write(work);
  TRV_ENSURES(outcomes.size() == work.size());
  publish();
  const std::lock_guard lock(queue_mutex_);
  for (std::size_t i = 0; i < work.size(); ++i) {
    if (!outcomes[i].has_value()) {
      // The claim goes on where the first failed batch began.
      Owned& owned = owned_[work[i].ticket.shard];
      if (owned.epoch == work[i].epoch) owned.next = std::min(owned.next, work[i].batch.first());
    }
    settled_.emplace(std::pair(work[i].ticket.shard, work[i].ticket.number), std::move(outcomes[i]));
  }
  auto result = take();
  if (!result) {
    return fail(ErrorCode::invalid, fmt::format("ticket {} of shard {} is unknown or was settled before", ticket.number,
                                                ticket.shard.value()));
  }
  return *std::move(result);
}

LmdbEventLog::Outcomes LmdbEventLog::write(std::span<const Pending> work) {
  Outcomes outcomes;
  if (work.empty()) return outcomes;
  const Status status = write_together(work, outcomes);
  if (status) return outcomes;
  outcomes.clear();
  if (status.error().code() != ErrorCode::exhausted || work.size() == 1) {
    for (std::size_t i = 0; i < work.size(); ++i) outcomes.push_back(fail(status.error()));
    return outcomes;
  }
  // One batch too many must not cost the others their place.
  for (std::size_t i = 0; i < work.size(); ++i) {
    for (Result<Settled>& outcome : write(work.subspan(i, 1))) outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

Status LmdbEventLog::write_together(std::span<const Pending> work, Outcomes& outcomes) {
  TRV_TRY_ASSIGN(lmdb::WriteTxn txn, env_.begin_write());
  bool wrote = false;
  for (const Pending& pending : work) {
    const ShardId shard = pending.ticket.shard;
    const Batch& batch = pending.batch;
    TRV_TRY_ASSIGN(ShardEnd end, ShardEnd::read(txn, unnamed_, shard));
    if (pending.epoch < end.epoch) {
      outcomes.push_back(Settled{.outcome = Outcome::lost, .last = {}, .position = {}});
      continue;
    }
    if (pending.epoch > end.epoch) {
      outcomes.push_back(
          fail(ErrorCode::conflict, fmt::format("epoch {} of shard {} was never claimed; the last is {}",
                                                pending.epoch.value(), shard.value(), end.epoch.value())));
      continue;
    }
    if (batch.first() != end.next) {
      outcomes.push_back(
          fail(ErrorCode::cancelled, fmt::format("lsn {} of shard {} cannot follow lsn {}: an append before it failed",
                                                 batch.first().value(), shard.value(), end.next.value() - 1)));
      continue;
    }
    TRV_TRY_ASSIGN(const lmdb::Table entries, txn.open_table(entries_name(shard), lmdb::Keys::integer));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      TRV_TRY(entries.append(txn, end.next_position + i, batch.at(i)));
    }
    TRV_ASSERT(batch.size() == batch.last().value() - batch.first().value() + 1);
    if (batch.decided() > 0) {
      end.decided_position = end.next_position + batch.decided() - 1;
      end.next_decision = Lsn(batch.first().value() + batch.decided());
    }
    end.next_position += batch.size();
    end.next = batch.last().next();
    TRV_ENSURES(end.next_position > end.decided_position && end.next >= end.next_decision);
    TRV_TRY(end.write(txn, unnamed_, shard));
    outcomes.push_back(
        Settled{.outcome = Outcome::appended, .last = batch.last(), .position = position_at(end.next_position - 1)});
    wrote = true;
  }
  return wrote ? txn.commit() : Status();
}

void LmdbEventLog::publish() noexcept {
  {
    const std::lock_guard lock(version_mutex_);
    ++version_;
  }
  grown_.notify_all();
}

Result<Bounds> LmdbEventLog::bounds(ShardId shard) {
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, env_.begin_read());
  TRV_TRY_ASSIGN(const ShardEnd end, ShardEnd::read(txn, unnamed_, shard));
  if (end.decided_position == 0) return Bounds{};
  return Bounds{.first = end.first, .last = Lsn(end.next_decision.value() - 1)};
}

Result<std::unique_ptr<Reader>> LmdbEventLog::read(ShardId shard, Lsn from, const EnginePosition&) {
  TRV_EXPECTS(from >= Lsn(1));
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, env_.begin_read());
  TRV_TRY_ASSIGN(const ShardEnd end, ShardEnd::read(txn, unnamed_, shard));
  if (from < end.first) return LmdbShardReader::begins_behind(end, shard, from);
  return std::make_unique<LmdbShardReader>(*this, shard, from);
}

Status LmdbEventLog::trim(ShardId shard, Lsn below) {
  TRV_TRY_ASSIGN(const auto entries, entries_of(shard));
  if (!entries.has_value()) return {};
  for (;;) {
    // Appends of all shards go in between.
    const std::lock_guard commit_lock(commit_mutex_);
    TRV_TRY_ASSIGN(const bool is_done, trim_some(shard, below, *entries));
    if (is_done) return {};
  }
}

/// Forgets the oldest decisions, some thousand entries at most unless one decision has more. True: none is left to
/// forget.
Result<bool> LmdbEventLog::trim_some(ShardId shard, Lsn below, const lmdb::Table& entries) {
  TRV_TRY_ASSIGN(lmdb::WriteTxn txn, env_.begin_write());
  TRV_TRY_ASSIGN(ShardEnd end, ShardEnd::read(txn, unnamed_, shard));
  TRV_TRY_ASSIGN(const auto claim, ClaimPlace::before(txn, claims_, shard, end.first));
  if (!claim.has_value() || end.decided_position == 0) return true;
  record::VoidRule rule(shard, claim->epoch, end.first);
  const std::uint64_t before = end.first_position;
  bool is_done = true;
  {  // a cursor ends before its transaction does
    TRV_TRY_ASSIGN(lmdb::Cursor cursor, lmdb::Cursor::open(txn, entries));
    TRV_TRY_ASSIGN(std::optional<lmdb::Entry> entry, cursor.seek(end.first_position));
    for (std::uint64_t position = before; entry.has_value() && position < end.decided_position; ++position) {
      TRV_TRY_ASSIGN(const record::EntryHead head, record::peek(entry->value));
      TRV_TRY_ASSIGN(const record::VoidRule::Verdict verdict, rule.judge(head));
      if (verdict == record::VoidRule::Verdict::next && head.decision_end) {
        if (rule.next() > below) break;
        end.first = rule.next();
        end.first_position = position + 1;
        is_done = end.first_position - before < trim_entries_max;
        if (!is_done) break;
      }
      TRV_TRY_ASSIGN(entry, cursor.next());
    }
  }
  if (end.first_position == before) return true;
  for (std::uint64_t position = before; position < end.first_position; ++position) {
    TRV_TRY_ASSIGN(const bool was_there, entries.erase(txn, position));
    TRV_ASSERT(was_there);
  }
  TRV_TRY_ASSIGN(const auto governing, ClaimPlace::before(txn, claims_, shard, end.first));
  TRV_ASSERT(governing.has_value() && end.first < end.next_decision);
  TRV_TRY(governing->erase_before(txn, claims_, shard));
  TRV_TRY(end.write(txn, unnamed_, shard));
  TRV_TRY(txn.commit());
  return is_done;
}

}  // namespace trv::log
