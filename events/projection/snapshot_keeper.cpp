#include "events/projection/snapshot_keeper.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "events/log/record_lookup.hpp"
#include "events/projection/projection.hpp"
#include "sdk/base/contract.hpp"

namespace trv::projection {

using base::Duration;
using base::Result;
using base::Status;
using record::Lsn;

namespace {

constexpr Duration look_interval = std::chrono::seconds(1);
constexpr Duration retry_wait = std::chrono::minutes(1);
// An append of the shard waits for at most one piece.
constexpr std::uint64_t piece_records = 4096;
constexpr Duration piece_pause = std::chrono::milliseconds(20);

}  // namespace

SnapshotKeeper::SnapshotKeeper(const SnapshotPolicy& policy, KeeperPorts ports, std::vector<KeptShard> shards)
    : policy_(policy), ports_(std::move(ports)) {
  TRV_EXPECTS(policy.keep > 0 && policy.records > 0);
  TRV_EXPECTS(ports_.keeps_all && ports_.note && ports_.failed);
  for (KeptShard& shard : shards) {
    TRV_EXPECTS(shard.projection != nullptr && shard.is_ready != nullptr);
    shards_.push_back({.shard = std::move(shard)});
  }
}

SnapshotKeeper::~SnapshotKeeper() {
  stop();
}

void SnapshotKeeper::start() {
  TRV_EXPECTS(!thread_.joinable());
  thread_ = std::thread([this] { run(); });
}

void SnapshotKeeper::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool SnapshotKeeper::wait(Duration time) {
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, time, [&] { return stopping_; });
}

void SnapshotKeeper::run() {
  do {
    look();
  } while (!wait(look_interval));
}

void SnapshotKeeper::look() {
  for (Kept& kept : shards_) {
    if (wait(Duration(0))) return;
    if (kept.shard.is_ready()) look_at(kept);
  }
}

void SnapshotKeeper::look_at(Kept& kept) {
  const Duration now = ports_.clock.monotonic();
  if (now < kept.not_before) return;
  const record::ShardId shard = kept.shard.projection->shard();
  if (!std::exchange(kept.is_known, true)) {
    // The wall clock may have been set meanwhile; from here on it is not asked.
    const auto newest = ports_.snapshots.newest(shard);
    const Duration age = newest ? ports_.clock.now() - newest->taken : Duration(0);
    kept.last = now - std::clamp(age, Duration(0), policy_.interval);
    kept.trims = true;
  }
  Status status;
  if (const Result<bool> due = is_due(kept); !due) {
    status = base::fail(due.error());
  } else if (*due) {
    status = take(kept);
  }
  if (status && kept.trims && policy_.log_kept > Duration(0) && !ports_.keeps_all()) {
    status = trim(kept);
    kept.trims = !status;
  }
  if (status) return;
  kept.not_before = now + retry_wait;
  ports_.failed(fmt::format("shard {}: {}; tried again in {} s", shard.value(), status.error().message(),
                            std::chrono::duration_cast<std::chrono::seconds>(retry_wait).count()));
}

Result<bool> SnapshotKeeper::is_due(Kept& kept) const {
  if (policy_.interval == Duration(0)) return false;
  TRV_TRY_ASSIGN(const Applied applied, kept.shard.projection->committed());
  const auto newest = ports_.snapshots.newest(kept.shard.projection->shard());
  // One of another log may be ahead.
  const Lsn taken = newest && newest->applied.lsn <= applied.lsn ? newest->applied.lsn : Lsn(0);
  if (applied.lsn == taken) return false;
  return applied.lsn.value() - taken.value() >= policy_.records ||
         ports_.clock.monotonic() - kept.last >= policy_.interval;
}

Status SnapshotKeeper::take(Kept& kept) {
  TRV_EXPECTS(kept.is_known);
  const Duration begin = ports_.clock.monotonic();
  TRV_TRY_ASSIGN(const Snapshot taken, ports_.snapshots.take(*kept.shard.projection));
  kept.last = ports_.clock.monotonic();
  kept.trims = true;
  ports_.note(fmt::format("shard {}: a snapshot of {} bytes was taken at lsn {} in {} ms", taken.shard.value(),
                          taken.bytes, taken.applied.lsn.value(),
                          std::chrono::duration_cast<std::chrono::milliseconds>(kept.last - begin).count()));
  return ports_.keeps_all() ? Status() : ports_.snapshots.keep_newest(taken.shard, policy_.keep);
}

Status SnapshotKeeper::trim(const Kept& kept) {
  const record::ShardId shard = kept.shard.projection->shard();
  TRV_TRY_ASSIGN(const log::Bounds bounds, ports_.log.bounds(shard));
  TRV_TRY_ASSIGN(const Lsn below, trimmed_below(kept, bounds));
  if (below <= bounds.first) return {};
  TRV_TRY(trim_in_pieces(shard, below));
  TRV_TRY_ASSIGN(const log::Bounds left, ports_.log.bounds(shard));
  TRV_ENSURES(left.first <= below && left.first >= bounds.first);
  if (left.first > bounds.first) {
    ports_.note(fmt::format("shard {}: the log begins at lsn {}; {} records were trimmed", shard.value(),
                            left.first.value(), left.first.value() - bounds.first.value()));
  }
  return {};
}

Result<Lsn> SnapshotKeeper::trimmed_below(const Kept& kept, const log::Bounds& bounds) const {
  const Projection& projection = *kept.shard.projection;
  if (bounds.last == Lsn(0)) return bounds.first;
  TRV_TRY_ASSIGN(const auto oldest,
                 ports_.snapshots.oldest_good(projection.shard(), projection.layout(), policy_.keep));
  if (!oldest) return bounds.first;
  Lsn below = std::min(oldest->next(), bounds.last);
  if (kept.shard.first_needed) {
    TRV_TRY_ASSIGN(const lmdb::ReadTxn state, projection.begin_read());
    TRV_TRY_ASSIGN(const auto needed, kept.shard.first_needed(state));
    if (needed) below = std::min(below, *needed);
  }
  return first_younger(projection.shard(), bounds.first, below);
}

// A shard's time never runs backwards.
Result<Lsn> SnapshotKeeper::first_younger(record::ShardId shard, Lsn from, Lsn to) const {
  const base::Timestamp oldest = ports_.clock.now() + -policy_.log_kept;
  log::RecordLookup records(ports_.log, shard);
  std::uint64_t begin = from.value();
  std::uint64_t end = std::max(from, to).value();
  while (begin < end) {
    const std::uint64_t middle = begin + (end - begin) / 2;
    TRV_TRY_ASSIGN(const record::Record record, records.at(Lsn(middle)));
    if (record->time() < oldest) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  TRV_ENSURES(Lsn(begin) >= from);
  return Lsn(begin);
}

Status SnapshotKeeper::trim_in_pieces(record::ShardId shard, Lsn below) {
  TRV_EXPECTS(below > Lsn(1));
  std::uint64_t piece = piece_records;
  for (;;) {
    TRV_TRY_ASSIGN(const log::Bounds before, ports_.log.bounds(shard));
    if (before.first >= below) return {};
    const Lsn until(std::min(below.value(), before.first.value() + piece));
    TRV_TRY(ports_.log.trim(shard, until));
    TRV_TRY_ASSIGN(const log::Bounds after, ports_.log.bounds(shard));
    // A decision may be larger than a piece, and `below` may be in the middle of one.
    if (after.first == before.first && until == below) return {};
    if (after.first == before.first) piece *= 2;
    if (wait(piece_pause)) return {};
  }
}

}  // namespace trv::projection
