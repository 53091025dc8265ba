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

void SnapshotKeeper::replace_policy(const SnapshotPolicy& policy) {
  TRV_EXPECTS(policy.keep > 0 && policy.records > 0);
  policy_.replace(policy);
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

bool SnapshotKeeper::wait_for_next_look() {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, look_interval, [&] {
    return stopping_ || std::ranges::any_of(shards_, [](const Kept& one) { return one.asked > Lsn(0); });
  });
  return stopping_;
}

void SnapshotKeeper::run() {
  do {
    look();
  } while (!wait_for_next_look());
}

void SnapshotKeeper::look() {
  for (Kept& kept : shards_) {
    if (wait(Duration(0))) return;
    const Lsn asked = [&] {
      const std::scoped_lock lock(mutex_);
      return std::exchange(kept.asked, Lsn(0));
    }();
    Status status = look_at(kept, asked);
    if (asked == Lsn(0)) continue;
    const std::scoped_lock lock(mutex_);
    kept.answer = std::move(status);
    ++kept.answered;
    wake_.notify_all();
  }
}

Status SnapshotKeeper::look_at(Kept& kept, Lsn asked) {
  const record::ShardId shard = kept.shard.projection->shard();
  if (!kept.shard.is_ready()) {
    kept.is_known = false;
    return base::fail(base::ErrorCode::unavailable,
                      fmt::format("shard {} is not ready, or another node takes its snapshots", shard.value()));
  }
  const Duration now = ports_.clock.monotonic();
  if (asked == Lsn(0) && now < kept.not_before) return {};
  Status status = keep(kept, asked);
  if (status) return status;
  kept.not_before = now + retry_wait;
  ports_.failed(fmt::format("shard {}: {}; tried again in {} s", shard.value(), status.error().message(),
                            std::chrono::duration_cast<std::chrono::seconds>(retry_wait).count()));
  return status;
}

Status SnapshotKeeper::keep(Kept& kept, Lsn asked) {
  if (!kept.is_known) TRV_TRY(find_newest(kept));
  TRV_TRY_ASSIGN(const bool due, is_due(kept));
  if (due || asked > kept.taken) TRV_TRY(take(kept));
  if (!kept.trims || policy_.get()->log_kept == Duration(0) || ports_.keeps_all()) return {};
  TRV_TRY(trim(kept));
  kept.trims = false;
  return {};
}

// One of another log may be ahead, and one of another layout is of no use.
Result<std::optional<Snapshot>> SnapshotKeeper::newest(const Kept& kept) const {
  const Projection& projection = *kept.shard.projection;
  TRV_TRY_ASSIGN(const auto all, ports_.snapshots.list(projection.shard()));
  TRV_TRY_ASSIGN(const Applied applied, projection.committed());
  const std::string layout = projection.layout();
  const auto found = std::ranges::find_if(
      all, [&](const Snapshot& one) { return one.applied.lsn <= applied.lsn && one.layout == layout; });
  return found == all.end() ? std::nullopt : std::optional(*found);
}

Status SnapshotKeeper::find_newest(Kept& kept) const {
  TRV_TRY_ASSIGN(const auto found, newest(kept));
  // The wall clock may have been set meanwhile; from here on it is not asked.
  const Duration age = found ? ports_.clock.now() - found->taken : Duration(0);
  kept.taken = found ? found->applied.lsn : Lsn(0);
  kept.last = ports_.clock.monotonic() - std::clamp(age, Duration(0), policy_.get()->interval);
  kept.trims = true;
  kept.is_known = true;
  return {};
}

Result<std::optional<Snapshot>> SnapshotKeeper::take_now(record::ShardId shard, Lsn lsn, Duration within) {
  TRV_EXPECTS(lsn > Lsn(0));
  const auto kept =
      std::ranges::find_if(shards_, [&](const Kept& one) { return one.shard.projection->shard() == shard; });
  TRV_EXPECTS(kept != shards_.end());
  TRV_TRY_ASSIGN(auto found, newest(*kept));
  if (found && found->applied.lsn >= lsn) return found;
  Status ended;
  {
    std::unique_lock lock(mutex_);
    const std::uint64_t before = kept->answered;
    kept->asked = std::max(kept->asked, lsn);
    wake_.notify_all();
    wake_.wait_for(lock, within, [&] { return stopping_ || kept->answered != before; });
    if (kept->answered != before) ended = kept->answer;
  }
  TRV_TRY_ASSIGN(found, newest(*kept));
  if (found && found->applied.lsn >= lsn) return found;
  TRV_TRY(ended);
  return std::nullopt;
}

Result<bool> SnapshotKeeper::is_due(const Kept& kept) const {
  if (policy_.get()->interval == Duration(0)) return false;
  TRV_TRY_ASSIGN(const Applied applied, kept.shard.projection->committed());
  if (applied.lsn <= kept.taken) return false;
  return applied.lsn.value() - kept.taken.value() >= policy_.get()->records ||
         ports_.clock.monotonic() - kept.last >= policy_.get()->interval;
}

Status SnapshotKeeper::take(Kept& kept) {
  TRV_EXPECTS(kept.is_known);
  const Duration begin = ports_.clock.monotonic();
  TRV_TRY_ASSIGN(const Snapshot taken, ports_.snapshots.take(*kept.shard.projection));
  kept.taken = taken.applied.lsn;
  kept.last = ports_.clock.monotonic();
  kept.trims = true;
  ports_.note(fmt::format("shard {}: a snapshot of {} bytes was taken at lsn {} in {} ms", taken.shard.value(),
                          taken.bytes, taken.applied.lsn.value(),
                          std::chrono::duration_cast<std::chrono::milliseconds>(kept.last - begin).count()));
  return ports_.keeps_all() ? Status() : ports_.snapshots.keep_newest(taken.shard, policy_.get()->keep);
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
                 ports_.snapshots.oldest_good(projection.shard(), projection.layout(), policy_.get()->keep));
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
  const base::Timestamp oldest = ports_.clock.now() + -policy_.get()->log_kept;
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
