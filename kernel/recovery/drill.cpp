#include "kernel/recovery/drill.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "events/log/lmdb_event_log.hpp"
#include "events/projection/snapshots.hpp"
#include "events/projection/stamp.hpp"
#include "events/projection/state_digest.hpp"
#include "kernel/node/shard_stores.hpp"
#include "sdk/base/scratch_folder.hpp"

namespace trv::recovery {
namespace {

using base::Result;
using std::filesystem::path;

constexpr std::uint64_t map_bytes = std::uint64_t{16384} << 30;
constexpr unsigned tables_max = 128;
constexpr std::size_t packages_max = 10'000;
constexpr std::size_t missing_named_max = 20;

double seconds(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string blob_path(const base::Digest& digest) {
  const std::string hex = base::to_hex(digest);
  return fmt::format("{}/{}", hex.substr(0, 2), hex.substr(2));
}

/// Makes the states of a restored folder.
class Replay {
 public:
  Replay(path data, const base::Clock& clock, base::Random& random, Drilled& drilled)
      : data_(std::move(data)), clock_(clock), random_(random), drilled_(drilled) {}

  base::Status run(const std::vector<StateDigest>& wanted, const std::stop_token& stop) {
    const auto go_on = [&](Lsn, Lsn) -> base::Status {
      return stop.stop_requested() ? base::fail(base::ErrorCode::cancelled, "the drill was ended") : base::Status();
    };
    TRV_TRY_ASSIGN(const auto log, log::LmdbEventLog::open(data_ / "log", {.map_bytes = map_bytes}));
    TRV_TRY_ASSIGN(const auto snapshots,
                   projection::Snapshots::open(
                       data_ / "snapshots",
                       {.log = *log, .clock = clock_, .random = random_, .report = [](const std::string&) {}}));
    for (const RestoredShard& shard : drilled_.restored.shards) {
      node::ShardStores stores;
      TRV_TRY(stores.open({.id = shard.shard,
                           .folder = data_ / "projection" / std::to_string(shard.shard.value()),
                           .map_bytes = map_bytes,
                           .snapshots = snapshots.get()}));
      TRV_TRY_ASSIGN(const projection::CatchUp caught_up, stores.projection->catch_up(*log, go_on));
      drilled_.replayed += caught_up.to.value() - caught_up.from.value();
      TRV_TRY(look_for_files(stores));
      const auto found = std::ranges::find(wanted, shard.shard, &StateDigest::shard);
      if (found != wanted.end()) TRV_TRY(compare(*found, *stores.projection));
    }
    return {};
  }

 private:
  base::Status compare(const StateDigest& live, const projection::Projection& projection) {
    ComparedShard compared{
        .shard = live.shard, .lsn = live.lsn, .live = base::to_hex(live.sha256), .restored = {}, .problem = {}};
    TRV_TRY_ASSIGN(const StateDigest restored, state_of(projection));
    if (restored.layout != live.layout) {
      compared.problem = "not compared: another version of the program made the live state";
    } else {
      compared.restored = base::to_hex(restored.sha256);
      if (restored.lsn != live.lsn) {
        compared.problem = fmt::format("the restored log ends with record {}", restored.lsn.value());
      } else if (restored.sha256 != live.sha256) {
        compared.problem = "the restored state is another one than the live state";
      }
    }
    drilled_.shards.push_back(std::move(compared));
    return {};
  }

  base::Status look_for_files(const node::ShardStores& stores) {
    TRV_TRY_ASSIGN(const lmdb::ReadTxn state, stores.projection->begin_read());
    std::set<base::Digest> blobs;
    TRV_TRY(stores.plugin_blobs.add_named(state, blobs));
    for (const base::Digest& blob : blobs) look_for("blobs/" + blob_path(blob));
    TRV_TRY_ASSIGN(const auto packages, stores.tenancy.packages(state, "", packages_max));
    for (const tenancy::Package& one : packages) {
      if (one.status == tenancy::PackageStatus::loaded) look_for("packages/" + blob_path(one.package_sha256));
    }
    return {};
  }

  void look_for(const std::string& file) {
    std::error_code error;
    if (std::filesystem::exists(data_ / file, error)) return;
    if (drilled_.missing.size() < missing_named_max) drilled_.missing.push_back(file);
  }

  const path data_;
  const base::Clock& clock_;
  base::Random& random_;
  Drilled& drilled_;
};

}  // namespace

Result<StateDigest> state_of(const projection::Projection& projection) {
  TRV_TRY_ASSIGN(lmdb::ReadTxn txn, projection.begin_read());
  TRV_TRY_ASSIGN(const projection::DigestedState state, projection::digest_state(txn));
  return StateDigest{
      .shard = projection.shard(), .lsn = state.applied.lsn, .sha256 = state.rows, .layout = projection.layout()};
}

Result<std::vector<StateDigest>> states_in(const path& data) {
  std::vector<StateDigest> states;
  std::error_code error;
  std::filesystem::directory_iterator at(data / "projection", error);
  for (const std::filesystem::directory_iterator end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    std::uint64_t shard = 0;
    const auto [last, bad] = std::from_chars(name.data(), name.data() + name.size(), shard);
    if (bad != std::errc() || last != name.data() + name.size()) continue;
    const auto stamp = projection::read_stamp(at->path());
    if (!stamp) continue;
    TRV_TRY_ASSIGN(const lmdb::Env env, lmdb::Env::open(at->path(), {.map_bytes = map_bytes,
                                                                     .tables_max = tables_max,
                                                                     .access = lmdb::Access::read_only}));
    TRV_TRY_ASSIGN(lmdb::ReadTxn txn, env.begin_read());
    TRV_TRY_ASSIGN(const projection::DigestedState state, projection::digest_state(txn));
    states.push_back(
        {.shard = ShardId(shard), .lsn = state.applied.lsn, .sha256 = state.rows, .layout = stamp->layout});
  }
  std::ranges::sort(states, {}, &StateDigest::shard);
  return states;
}

bool Drilled::has_problem() const {
  return !missing.empty() || std::ranges::any_of(shards, [](const ComparedShard& one) { return !one.problem.empty(); });
}

bool Drilled::is_good() const {
  return !shards.empty() && !has_problem();
}

Result<Drilled> drill(Target& target, const std::optional<note::VerifierKey>& trusted, const path& parent,
                      std::optional<base::Duration> recovery_point, const base::Clock& clock, base::Random& random,
                      const Progress& progress, const std::stop_token& stop) {
  Drilled drilled;
  drilled.begun = clock.now();
  TRV_TRY_ASSIGN(const History history, read_history(target, trusted));
  const auto with_states = std::find_if(history.segments.rbegin(), history.segments.rend(),
                                        [](const Segment& one) { return !one.states.empty(); });
  Until until = UntilEnd{};
  std::vector<StateDigest> wanted;
  if (with_states != history.segments.rend()) {
    until = UntilStates{with_states->number};
    wanted = with_states->states;
  }
  if (const Segment* const last = history.last()) {
    drilled.recovery_point = recovery_point.value_or(std::max(drilled.begun - last->cut, base::Duration(0)));
    drilled.last_event = std::ranges::max_element(last->shards, {}, &ShardSpan::time)->time;
  }
  TRV_TRY_ASSIGN(const base::ScratchFolder scratch, base::ScratchFolder::make(scratch_name, parent));
  const path data = scratch.path() / "data";
  const base::Duration start = clock.monotonic();
  TRV_TRY_ASSIGN(drilled.restored, restore(target, trusted, data, until, clock, random, progress));
  const base::Duration restored = clock.monotonic();
  drilled.restore_time = restored - start;
  TRV_TRY(Replay(data, clock, random, drilled).run(wanted, stop));
  drilled.replay_time = clock.monotonic() - restored;
  return drilled;
}

json::Value as_json(const Drilled& drilled) {
  json::Value shards = json::Value::array();
  for (const ComparedShard& one : drilled.shards) {
    json::Value shard = json::Value::object();
    shard.set("shard", json::Value(one.shard.value()));
    shard.set("lsn", json::Value(one.lsn.value()));
    shard.set("live", json::Value(one.live));
    shard.set("restored", json::Value(one.restored));
    shard.set("problem", json::Value(one.problem));
    shards.push_back(std::move(shard));
  }
  json::Value missing = json::Value::array();
  for (const std::string& one : drilled.missing) missing.push_back(json::Value(one));
  json::Value value = json::Value::object();
  value.set("good", json::Value(drilled.is_good()));
  value.set("begun", json::Value(drilled.begun.to_rfc3339()));
  value.set("segment", json::Value(drilled.restored.segment));
  value.set("last_event", json::Value(drilled.last_event.to_rfc3339()));
  value.set("recovery_point_seconds", json::Value(seconds(drilled.recovery_point)));
  value.set("recovery_time_seconds", json::Value(seconds(drilled.recovery_time())));
  value.set("restore_seconds", json::Value(seconds(drilled.restore_time)));
  value.set("replay_seconds", json::Value(seconds(drilled.replay_time)));
  value.set("records", json::Value(drilled.restored.records));
  value.set("files", json::Value(drilled.restored.files));
  value.set("bytes", json::Value(drilled.restored.bytes));
  value.set("shards", std::move(shards));
  value.set("missing", std::move(missing));
  return value;
}

std::string as_text(const Drilled& drilled) {
  std::string text = fmt::format(
      "segment {}: {} records and {} files restored in {:.2f} s, {} records replayed in {:.2f} s\n"
      "recovery time   {:.2f} s\nrecovery point  {:.1f} s (last event {})",
      drilled.restored.segment, drilled.restored.records, drilled.restored.files, seconds(drilled.restore_time),
      drilled.replayed, seconds(drilled.replay_time), seconds(drilled.recovery_time()), seconds(drilled.recovery_point),
      drilled.last_event.to_rfc3339());
  for (const ComparedShard& one : drilled.shards) {
    text += fmt::format("\nshard {} at record {}: {}", one.shard.value(), one.lsn.value(),
                        one.problem.empty() ? "as the live state was, " + one.restored.substr(0, 16) : one.problem);
  }
  if (drilled.shards.empty()) text += "\nnot compared: the target has no digest of a live state";
  for (const std::string& one : drilled.missing) text += fmt::format("\nmissing: {}", one);
  return text;
}

}  // namespace trv::recovery
