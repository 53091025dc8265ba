#include "events/projection/snapshots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "events/projection/agreement.hpp"
#include "events/projection/projection.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/file_age.hpp"
#include "sdk/base/file_copy.hpp"

namespace trv::projection {

using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;
using record::Lsn;
namespace fs = std::filesystem;

namespace {

constexpr int restores_max = 100;
constexpr std::string_view taking_name = ".taking";

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

std::error_code rename_folder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  return error;
}

Status check_content(const Snapshot& snapshot, const base::FileDigest& found) {
  if (found.sha256 == snapshot.content) return {};
  return fail(ErrorCode::corrupt,
              fmt::format("{} is damaged: its bytes do not have the SHA-256 that its manifest names",
                          (snapshot.folder / content_name).string()));
}

}  // namespace

Result<std::unique_ptr<Snapshots>> Snapshots::open(const fs::path& folder, SnapshotPorts ports) {
  TRV_EXPECTS(!folder.empty() && ports.report != nullptr);
  TRV_EXPECTS(ports.taker.find('/') == std::string::npos);
  TRV_TRY(make_folder(folder));
  std::unique_ptr<Snapshots> snapshots(new Snapshots(folder, std::move(ports)));
  TRV_TRY(remove_path(snapshots->taking()));
  return snapshots;
}

Snapshots::Snapshots(fs::path folder, SnapshotPorts ports) : folder_(std::move(folder)), ports_(std::move(ports)) {}

fs::path Snapshots::taking() const {
  return folder_ / (ports_.taker.empty() ? std::string(taking_name) : fmt::format("{}-{}", taking_name, ports_.taker));
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
  std::array<std::uint8_t, 8> unique{};
  ports_.random.fill(unique);
  const std::string name = base::to_hex(unique);
  const fs::path made = taking() / name;
  Snapshot snapshot;
  snapshot.shard = projection.shard();
  snapshot.layout = projection.layout();
  snapshot.taken = ports_.clock.now();
  TRV_TRY_ASSIGN(snapshot.applied, projection.copy_to(made));
  if (snapshot.applied.lsn == Lsn(0)) {
    return fail(ErrorCode::conflict, fmt::format("shard {} has no record yet", snapshot.shard.value()));
  }
  TRV_TRY_ASSIGN(const base::FileDigest content, base::digest_file(made / content_name));
  TRV_ASSERT(content.bytes > 0);
  snapshot.content = content.sha256;
  snapshot.bytes = content.bytes;
  const std::string manifest = to_text(snapshot, ports_.key);
  TRV_TRY(base::write_file(made / manifest_name, ".new", base::to_bytes(manifest), 0600));
  snapshot.folder = shard_folder(folder_, snapshot.shard) / snapshot_name(snapshot.applied.lsn, name);
  TRV_TRY(make_folder(snapshot.folder.parent_path()));
  if (const std::error_code error = rename_folder(made, snapshot.folder)) {
    return fail(ErrorCode::unavailable,
                fmt::format("cannot rename {} to {}: {}", made.string(), snapshot.folder.string(), error.message()));
  }
  TRV_TRY(base::sync_folder(snapshot.folder.parent_path()));
  TRV_ENSURES(parse_snapshot(manifest, ports_.key).has_value());
  return snapshot;
}

Result<Manifests> Snapshots::manifests_of(record::ShardId shard) const {
  return read_manifests(folder_, shard, ports_.key);
}

Result<std::vector<Snapshot>> Snapshots::list(record::ShardId shard) const {
  TRV_TRY_ASSIGN(Manifests found, manifests_of(shard));
  return std::move(found.snapshots);
}

void Snapshots::report_unreadable(record::ShardId shard, const Manifests& found) const {
  for (const UnreadableSnapshot& one : found.unreadable) {
    ports_.report(fmt::format("a snapshot of shard {} is not used: {}", shard.value(), one.why));
  }
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
  std::set<fs::path> tried;
  while (tried.size() < restores_max) {
    // Again each time: who owns the shard may have taken a newer one, and removed those that were seen before.
    TRV_TRY_ASSIGN(const Manifests found, manifests_of(shard));
    if (tried.empty()) report_unreadable(shard, found);
    const auto next =
        std::ranges::find_if(found.snapshots, [&](const Snapshot& one) { return !tried.contains(one.folder); });
    if (next == found.snapshots.end()) return std::nullopt;
    tried.insert(next->folder);
    TRV_TRY_ASSIGN(const std::string why, refusal(*next, layout, last));
    if (!why.empty()) {
      report_refused(*next, why);
      continue;
    }
    const auto copied = base::copy_file(next->folder / content_name, file, 0600, base::Sync::later);
    Status status = copied ? check_content(*next, *copied) : Status(fail(copied.error()));
    if (status) status = accept(*next);
    if (status) return *next;
    report_refused(*next, status.error().message());
    TRV_TRY(remove_path(file));
  }
  return std::nullopt;
}

// The time of a shard's records never runs backwards when its owner changes, and the clocks of those who take snapshots
// may differ. A snapshot of another log may be ahead of all of this one's. All agree on the order, so that two that
// remove at once leave what both keep.
Status Snapshots::keep_newest(record::ShardId shard, std::size_t count) {
  TRV_EXPECTS(count > 0);
  const std::scoped_lock lock(taking_mutex_);
  TRV_TRY_ASSIGN(Manifests found, manifests_of(shard));
  if (found.snapshots.size() < count) return {};
  std::ranges::sort(found.snapshots, std::greater{}, [](const Snapshot& one) {
    return std::tuple(one.applied.time, one.applied.lsn, one.taken, one.folder);
  });
  Lsn least = found.snapshots.front().applied.lsn;
  for (std::size_t i = 0; i < found.snapshots.size(); ++i) {
    const Snapshot& one = found.snapshots[i];
    if (i >= count) {
      TRV_TRY(remove(one.folder));
    } else {
      least = std::min(least, one.applied.lsn);
    }
  }
  for (const UnreadableSnapshot& one : found.unreadable) {
    if (one.lsn < least) TRV_TRY(remove(one.folder));
  }
  return {};
}

// It is gone as a whole, for those too who look for one meanwhile.
Status Snapshots::remove(const fs::path& snapshot) {
  TRV_TRY(make_folder(taking()));
  const std::error_code error = rename_folder(snapshot, taking() / snapshot.filename());
  if (error == std::errc::no_such_file_or_directory) return {};  // somebody else was faster
  if (error) {
    return fail(ErrorCode::unavailable, fmt::format("cannot remove {}: {}", snapshot.string(), error.message()));
  }
  TRV_TRY(base::sync_folder(snapshot.parent_path()));
  return remove_path(taking());
}

Status Snapshots::remove_left_over() {
  std::vector<fs::path> left;
  std::error_code error;
  fs::directory_iterator entries(folder_, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    const fs::path& path = entries->path();
    if (!path.filename().string().starts_with(taking_name) || path == taking()) continue;
    TRV_TRY_ASSIGN(const bool is_old, base::is_older(path, ports_.clock.now()));
    if (is_old) left.push_back(path);
  }
  if (error) return fail(ErrorCode::unavailable, fmt::format("cannot read {}: {}", folder_.string(), error.message()));
  for (const fs::path& path : left) TRV_TRY(remove_path(path));
  return {};
}

Result<std::optional<Lsn>> Snapshots::oldest_good(record::ShardId shard, std::string_view layout, std::size_t count) {
  TRV_EXPECTS(count > 0);
  TRV_TRY_ASSIGN(const Manifests found, manifests_of(shard));
  report_unreadable(shard, found);
  std::optional<Lsn> oldest;
  std::size_t good = 0;
  for (const Snapshot& snapshot : found.snapshots) {
    TRV_TRY_ASSIGN(std::string why, refusal(snapshot, layout, std::nullopt));
    if (why.empty()) {
      const auto read = base::digest_file(snapshot.folder / content_name);
      const Status status = read ? check_content(snapshot, *read) : Status(fail(read.error()));
      if (!status) why = status.error().message();
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
