#include "events/projection/snapshots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <set>
#include <system_error>
#include <utility>

#include "events/projection/agreement.hpp"
#include "events/projection/projection.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"

namespace trv::projection {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;
using record::Lsn;
namespace fs = std::filesystem;

namespace {

Status make_folder(const fs::path& folder) {
  std::error_code error;
  const bool is_new = fs::create_directories(folder, error);
  if (!error) fs::permissions(folder, fs::perms::owner_all, error);
  if (error) {
    return fail(ErrorCode::unavailable, fmt::format("cannot make {}: {}", folder.string(), error.message()));
  }
  return is_new ? base::sync_folder(folder.parent_path()) : Status();
}

Status remove_path(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) return {};
  return fail(ErrorCode::unavailable, fmt::format("cannot remove {}: {}", path.string(), error.message()));
}

}  // namespace

Result<std::unique_ptr<Snapshots>> Snapshots::open(const fs::path& folder, SnapshotPorts ports) {
  TRV_EXPECTS(!folder.empty() && ports.report != nullptr);
  TRV_TRY(make_folder(folder));
  // has_room() is asked before a copy is made; to take it over needs no room.
  TRV_TRY_ASSIGN(auto blobs,
                 blob::FolderBlobStore::open(folder / "blobs", std::numeric_limits<std::size_t>::max(), ports.random));
  std::unique_ptr<Snapshots> snapshots(new Snapshots(folder, std::move(ports), std::move(blobs)));
  TRV_TRY(snapshots->clean());
  return snapshots;
}

Snapshots::Snapshots(fs::path folder, SnapshotPorts ports, std::unique_ptr<blob::FolderBlobStore> blobs)
    : folder_(std::move(folder)), ports_(std::move(ports)), blobs_(std::move(blobs)) {}

fs::path Snapshots::taking() const {
  return folder_ / ".taking";
}

Status Snapshots::clean() {
  TRV_TRY(remove_path(taking()));
  std::set<base::Digest> named;
  bool all_known = true;
  TRV_TRY_ASSIGN(const auto shards, shards_in(folder_));
  for (const record::ShardId shard : shards) {
    TRV_TRY_ASSIGN(const Manifests found, read_manifests(folder_, shard));
    for (const Snapshot& snapshot : found.snapshots) {
      named.insert(snapshot.blob);
      note_newest(snapshot);
    }
    all_known = all_known && found.unreadable.empty();
  }
  // A manifest of a later version names a blob, too.
  return blobs_->remove_left_over([&](const base::Digest& blob) { return !all_known || named.contains(blob); });
}

void Snapshots::note_newest(const Snapshot& snapshot) {
  const std::scoped_lock lock(newest_mutex_);
  const auto [at, is_new] = newest_.try_emplace(snapshot.shard, snapshot);
  if (!is_new && at->second.taken <= snapshot.taken) at->second = snapshot;
}

std::optional<Snapshot> Snapshots::newest(record::ShardId shard) const {
  const std::scoped_lock lock(newest_mutex_);
  const auto at = newest_.find(shard);
  return at == newest_.end() ? std::nullopt : std::optional(at->second);
}

Result<Snapshot> Snapshots::take(const Projection& projection) {
  const std::scoped_lock lock(taking_mutex_);
  TRV_TRY_ASSIGN(const lmdb::EnvStats stats, projection.stats());
  if (ports_.has_room) TRV_TRY(ports_.has_room(stats.used_bytes));
  TRV_TRY(remove_path(taking()));
  Result<Snapshot> taken = take_aside(projection);
  TRV_TRY(remove_path(taking()));
  return taken;
}

Result<Snapshot> Snapshots::take_aside(const Projection& projection) {
  Snapshot snapshot;
  snapshot.shard = projection.shard();
  snapshot.layout = projection.layout();
  snapshot.taken = ports_.clock.now();
  TRV_TRY_ASSIGN(snapshot.applied, projection.copy_to(taking()));
  if (snapshot.applied.lsn == Lsn(0)) {
    return fail(ErrorCode::conflict, fmt::format("shard {} has no record yet", snapshot.shard.value()));
  }
  TRV_TRY_ASSIGN(const base::FileDigest content, blobs_->put_file(taking() / "data.mdb"));
  TRV_ASSERT(content.bytes > 0);
  snapshot.blob = content.sha256;
  snapshot.bytes = content.bytes;
  const fs::path manifest = manifest_path(folder_, snapshot.shard, snapshot.applied.lsn);
  TRV_TRY(make_folder(manifest.parent_path()));
  TRV_TRY(base::write_file(manifest, ".new", base::to_bytes(to_text(snapshot)), 0600));
  note_newest(snapshot);
  TRV_ENSURES(newest(snapshot.shard).has_value());
  return snapshot;
}

Result<Manifests> Snapshots::manifests_of(record::ShardId shard) const {
  TRV_TRY_ASSIGN(Manifests found, read_manifests(folder_, shard));
  for (const std::string& line : found.unreadable) {
    ports_.report(fmt::format("a snapshot of shard {} is not used: {}", shard.value(), line));
  }
  return found;
}

void Snapshots::report_refused(const Snapshot& snapshot, std::string_view why) const {
  ports_.report(fmt::format("the snapshot of shard {} at lsn {}, taken {}, is not used: {}", snapshot.shard.value(),
                            snapshot.applied.lsn.value(), snapshot.taken.to_rfc3339(), why));
}

Result<std::string> Snapshots::refusal(const Snapshot& snapshot, std::string_view layout, std::optional<Lsn> last) {
  TRV_EXPECTS(snapshot.applied.lsn > Lsn(0) && !layout.empty());
  if (snapshot.layout != layout) {
    return fmt::format("it was made by other projectors: '{}', now '{}'", snapshot.layout, layout);
  }
  TRV_TRY_ASSIGN(const log::Bounds bounds, ports_.log.bounds(snapshot.shard));
  return disagreement(ports_.log, snapshot.shard, snapshot.applied, last ? std::min(*last, bounds.last) : bounds.last);
}

Result<std::optional<Snapshot>> Snapshots::restore(record::ShardId shard, std::string_view layout,
                                                   std::optional<Lsn> last, const fs::path& file,
                                                   const Accept& accept) {
  TRV_EXPECTS(accept != nullptr && !file.empty());
  TRV_TRY_ASSIGN(const Manifests found, manifests_of(shard));
  for (const Snapshot& snapshot : found.snapshots) {
    TRV_TRY_ASSIGN(const std::string why, refusal(snapshot, layout, last));
    if (!why.empty()) {
      report_refused(snapshot, why);
      continue;
    }
    Status status = blobs_->get_file(snapshot.blob, file);
    if (status) status = accept(snapshot);
    if (status) return snapshot;
    report_refused(snapshot, status.error().message());
    TRV_TRY(remove_path(file));
  }
  return std::nullopt;
}

Status Snapshots::keep_newest(record::ShardId shard, std::size_t count) {
  TRV_EXPECTS(count > 0);
  const std::scoped_lock lock(taking_mutex_);
  TRV_TRY_ASSIGN(Manifests found, read_manifests(folder_, shard));
  std::ranges::stable_sort(found.snapshots, std::greater{}, &Snapshot::taken);
  for (std::size_t i = count; i < found.snapshots.size(); ++i) {
    const Snapshot& old = found.snapshots[i];
    const fs::path manifest = manifest_path(folder_, shard, old.applied.lsn);
    TRV_TRY(remove_path(manifest));
    TRV_TRY(base::sync_folder(manifest.parent_path()));
    const auto names_it = [&](const Snapshot& kept) { return kept.blob == old.blob; };
    if (std::ranges::none_of(found.snapshots.begin(), found.snapshots.begin() + static_cast<std::ptrdiff_t>(count),
                             names_it)) {
      TRV_TRY(blobs_->remove(old.blob));
    }
  }
  return {};
}

Result<std::optional<Lsn>> Snapshots::oldest_good(record::ShardId shard, std::string_view layout, std::size_t count) {
  TRV_EXPECTS(count > 0);
  TRV_TRY_ASSIGN(const Manifests found, manifests_of(shard));
  std::optional<Lsn> oldest;
  std::size_t good = 0;
  for (const Snapshot& snapshot : found.snapshots) {
    TRV_TRY_ASSIGN(std::string why, refusal(snapshot, layout, std::nullopt));
    if (why.empty()) {
      if (const Status read = blobs_->check(snapshot.blob); !read) why = read.error().message();
    }
    if (!why.empty()) {
      report_refused(snapshot, why);
      continue;
    }
    oldest = snapshot.applied.lsn;
    ++good;
  }
  return good >= count ? oldest : std::nullopt;
}

}  // namespace trv::projection
