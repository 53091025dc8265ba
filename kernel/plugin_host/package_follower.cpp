#include "kernel/plugin_host/package_follower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <set>

#include "kernel/plugin_host/payload.hpp"
#include "kernel/tenancy/revocations.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using tenancy::Package;
using tenancy::PackageStatus;

constexpr std::size_t page = 500;
constexpr auto try_again_after = std::chrono::seconds(1);
constexpr int tries_max = 3;  ///< where the node is at fault, not the package
constexpr std::size_t reason_bytes_max = 4'096;
constexpr auto look_again_after = std::chrono::minutes(1);

std::string name_of(const Package& package) {
  return fmt::format("plugin {} {}", package.plugin, package.version);
}

/// What clients read of an error. What the disk or the system said names files of the node: only its log has that.
base::Error reason_of(const base::Error& error) {
  if (error.code() == ErrorCode::unavailable) {
    return {ErrorCode::unavailable,
            "the node could not read, unpack or try the package; its own log says why. Install the package again when "
            "that is mended"};
  }
  return {ErrorCode::invalid, printable(error.message(), reason_bytes_max)};
}

}  // namespace

PackageFollower::PackageFollower(FollowedPackages followed) : followed_(std::move(followed)) {
  TRV_EXPECTS(followed_.submit != nullptr && followed_.is_owner != nullptr && followed_.report != nullptr);
}

PackageFollower::~PackageFollower() {
  stop();
}

base::Result<PackageFollower::Started> PackageFollower::start() {
  TRV_EXPECTS(!follower_.joinable());
  Started started;
  static_cast<void>(sweep());
  TRV_TRY_ASSIGN(const std::vector<Package> packages, named());
  TRV_TRY(stop_revoked(packages));
  for (const Package& package : packages) {
    if (package.status != PackageStatus::loaded || revoked_.contains(package.package_sha256)) continue;
    const base::Status loaded = load(package, {});
    if (loaded) ++started.loaded;
    if (!loaded) started.problems.push_back(loaded.error().message());
  }
  follower_ = std::jthread([this](const std::stop_token& stop) { follow(stop); });
  answerer_ = std::jthread([this](const std::stop_token& stop) { answer_in_time(stop); });
  return started;
}

// What the log calls loaded, and is not known to run here.
base::Status PackageFollower::load(const Package& package, const std::stop_token& stop) {
  const auto examined = followed_.host.examine(package.package_sha256, stop);
  const base::Status loaded = examined ? followed_.host.load(*examined) : base::fail(examined.error());
  known_.insert(package.package_sha256);
  if (loaded) return {};
  followed_.host.note_failure(package.plugin, package.version, reason_of(loaded.error()).message());
  return base::fail(loaded.error().code(),
                    fmt::format("{} did not load: {}", name_of(package), loaded.error().message()));
}

void PackageFollower::stop() {
  follower_ = {};  // which asks it to stop, and joins it
  answerer_ = {};
  std::vector<Waiting> rest;
  {
    const std::scoped_lock lock(mutex_);
    is_over_ = true;
    rest.swap(waiting_);
  }
  answer(std::move(rest));
}

void PackageFollower::wake() {
  {
    const std::scoped_lock lock(mutex_);
    woken_ = true;
  }
  wake_.notify_all();
}

void PackageFollower::follow(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const bool is_settled = load_known(stop) && (!followed_.is_owner() || settle_pending(stop));
    retire_unnamed();
    const bool is_swept = sweep();
    std::unique_lock lock(mutex_);
    const auto woken = [this] { return woken_; };
    if (is_settled && is_swept) {
      wake_.wait(lock, stop, woken);
    } else {
      wake_.wait_for(lock, stop, try_again_after, woken);
    }
    woken_ = false;
  }
}

// Another node has settled these.
bool PackageFollower::load_known(const std::stop_token& stop) {
  const auto packages = named();
  if (!packages) followed_.report(fmt::format("packages cannot be followed: {}", packages.error().message()));
  if (!packages) return false;
  if (const base::Status stopped = stop_revoked(*packages); !stopped) {
    followed_.report(fmt::format("revocations cannot be followed: {}", stopped.error().message()));
    return false;
  }
  for (const Package& package : *packages) {
    const bool is_new = package.status == PackageStatus::loaded && !known_.contains(package.package_sha256);
    if (!is_new || stop.stop_requested()) continue;
    if (const base::Status loaded = load(package, stop); !loaded) followed_.report(loaded.error().message());
  }
  return true;
}

// What was uninstalled, or replaced by a package that was refused then.
void PackageFollower::retire_unnamed() {
  const auto packages = named();
  if (!packages) return;  // reported above
  std::set<std::pair<std::string, std::string>> names;
  std::set<base::Digest> digests;
  for (const Package& package : *packages) {
    names.emplace(package.plugin, package.version);
    digests.insert(package.package_sha256);
  }
  for (const auto& [name, digest] : followed_.host.running()) {
    if (!names.contains(name)) followed_.host.retire(name.first, name.second);
  }
  // The same package may be installed again.
  std::erase_if(known_, [&](const base::Digest& digest) { return !digests.contains(digest); });
}

// What is revoked by no list any more is as new: it is loaded again.
base::Status PackageFollower::stop_revoked(const std::vector<Package>& packages) {
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, followed_.platform.begin_read());
  TRV_TRY_ASSIGN(const auto lists, tenancy::revocation_lists(followed_.tenancy, txn, "", page));
  for (const Package& package : packages) {
    const base::Digest& digest = package.package_sha256;
    const auto reason = tenancy::reason_for(lists, package);
    if (!reason && revoked_.erase(digest) > 0) known_.erase(digest);
    if (!reason || !revoked_.emplace(digest, *reason).second) continue;
    followed_.report(fmt::format("{} is stopped: {}", name_of(package), *reason));
    if (package.status != PackageStatus::loaded) continue;
    known_.insert(digest);
    // Whatever runs under this name: a -dev version may not be replaced here yet.
    if (followed_.host.manifest(package.plugin, package.version)) {
      const base::Status stopped = followed_.host.unload(package.plugin, package.version, base::Duration::zero());
      if (!stopped) followed_.report(fmt::format("{}: {}", name_of(package), stopped.error().message()));
    }
    followed_.host.note_failure(package.plugin, package.version, *reason);
  }
  return {};
}

bool PackageFollower::settle_pending(const std::stop_token& stop) {
  const auto packages = named();
  if (!packages) followed_.report(fmt::format("packages cannot be followed: {}", packages.error().message()));
  if (!packages) return false;
  bool are_settled = true;
  for (const Package& package : *packages) {
    if (package.status == PackageStatus::pending && !stop.stop_requested()) are_settled &= settle(package, stop);
  }
  return are_settled;
}

// The answer to who waits comes last: then nothing is left of what was refused.
bool PackageFollower::settle(const Package& package, const std::stop_token& stop) {
  {
    const std::scoped_lock lock(mutex_);
    in_hand_ = package.package_sha256;
  }
  const auto revoked = revoked_.find(package.package_sha256);
  const base::Status loaded = revoked == revoked_.end() ? load_first(package.package_sha256, stop)
                                                        : base::fail(ErrorCode::invalid, revoked->second);
  known_.insert(package.package_sha256);
  const bool is_node_at_fault = !loaded && loaded.error().code() == ErrorCode::unavailable;
  if (!loaded) followed_.report(fmt::format("{} did not load: {}", name_of(package), loaded.error().message()));
  bool is_settled = false;
  if (loaded || (loaded.error().code() != ErrorCode::cancelled &&
                 (!is_node_at_fault || ++failed_tries_[package.package_sha256] >= tries_max))) {
    failed_tries_.erase(package.package_sha256);
    const base::Status recorded = record(package, loaded ? std::nullopt : std::optional(reason_of(loaded.error())));
    is_settled = recorded.has_value();
    if (!recorded) {
      followed_.report(
          fmt::format("the outcome of {} is not recorded yet: {}", name_of(package), recorded.error().message()));
    } else if (!loaded) {
      static_cast<void>(sweep());
    }
  }
  {
    const std::scoped_lock lock(mutex_);
    in_hand_.reset();
    has_changed_ = true;
  }
  waiting_changed_.notify_all();
  return is_settled;
}

base::Status PackageFollower::load_first(const base::Digest& package_digest, const std::stop_token& stop) {
  if (followed_.store.ended_in_first_load(package_digest)) {
    followed_.store.end_first_load(package_digest);
    return base::fail(ErrorCode::invalid,
                      "the process ended while it loaded the library for the first time. Where it was not the library "
                      "that ended it, install the package again");
  }
  TRV_TRY_ASSIGN(const Stored package, followed_.host.examine(package_digest, stop));
  constexpr auto known = PluginHost::Known::from_now;
  if (!followed_.host.runs_here(package.manifest)) return followed_.host.load(package, std::nullopt, stop, known);
  TRV_TRY(followed_.store.begin_first_load(package_digest));
  const base::Status loaded = followed_.host.load(package, std::nullopt, {}, known);
  followed_.store.end_first_load(package_digest);
  // Whatever the plugin itself calls it: the same package would say it again.
  if (!loaded) return base::fail(ErrorCode::invalid, loaded.error().message());
  return {};
}

base::Status PackageFollower::record(const Package& package, std::optional<base::Error> refusal) {
  std::promise<base::Status> promise;
  shard::Command command;
  command.tenant = base::system_tenant();
  command.actor = "kernel";
  command.decide =
      [&tenancy = followed_.tenancy,
       settle = tenancy::SettlePackage{package.plugin, package.version, package.package_sha256, std::move(refusal)}](
          const lmdb::Txn& state, shard::DecisionContext& context) {
        return tenancy::decide(tenancy, state, context, settle);
      };
  command.done = [&promise](const base::Result<shard::Applied>& outcome) {
    promise.set_value(outcome ? base::Status() : base::Status(base::fail(outcome.error())));
  };
  followed_.submit(std::move(command));
  return promise.get_future().get();
}

// What cannot be removed now is tried again with the next package, or at the next start.
bool PackageFollower::sweep() {
  if (!followed_.is_owner()) return true;
  const auto swept = followed_.store.sweep([this]() -> base::Result<std::set<base::Digest>> {
    TRV_TRY_ASSIGN(const std::vector<Package> packages, named());
    std::set<base::Digest> digests;
    for (const Package& package : packages) digests.insert(package.package_sha256);
    // One that is being replaced runs until the other does, and starts processes.
    for (const auto& [name, digest] : followed_.host.running()) digests.insert(digest);
    return digests;
  });
  if (!swept) followed_.report(fmt::format("packages that are not used were not removed: {}", swept.error().message()));
  return !swept || *swept;
}

// Looked up before the host is asked: one that is loaded only meanwhile is not one that should run and does not.
base::Result<bool> PackageFollower::runs_as_recorded(const package::Manifest& manifest,
                                                     const base::Digest& package_sha256) const {
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, followed_.platform.begin_read());
  TRV_TRY_ASSIGN(const auto known, followed_.tenancy.package(txn, manifest.id, manifest.version));
  const bool should_run = known && known->status == PackageStatus::loaded;
  return !should_run || followed_.host.runs(package_sha256);
}

void PackageFollower::await(const Package& package, base::Duration patience, Answer answer_one) {
  TRV_EXPECTS(answer_one != nullptr && patience >= base::Duration::zero());
  std::vector<Waiting> over;
  {
    const std::scoped_lock lock(mutex_);
    Waiting waiting{package.plugin, package.version, followed_.clock.monotonic() + patience, std::move(answer_one)};
    (is_over_ ? over : waiting_).push_back(std::move(waiting));
    has_changed_ = true;
  }
  waiting_changed_.notify_all();
  answer(std::move(over));
}

void PackageFollower::answer_in_time(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    has_changed_ = false;
    const base::Duration now = followed_.clock.monotonic();
    std::vector<Waiting> due = take_due(now);
    base::Duration next = look_again_after;
    for (const Waiting& one : waiting_) next = std::min(next, one.deadline - now);
    lock.unlock();
    answer(std::move(due));
    lock.lock();
    waiting_changed_.wait_for(lock, stop, next, [this] { return has_changed_; });
  }
}

std::vector<PackageFollower::Waiting> PackageFollower::take_due(base::Duration now) {
  const auto first_due = std::stable_partition(waiting_.begin(), waiting_.end(), [&](const Waiting& one) {
    const auto package = find(one);
    const bool is_pending =
        package && (package->status == PackageStatus::pending || in_hand_ == package->package_sha256);
    return is_pending && now < one.deadline;
  });
  std::vector<Waiting> due(std::make_move_iterator(first_due), std::make_move_iterator(waiting_.end()));
  waiting_.erase(first_due, waiting_.end());
  return due;
}

void PackageFollower::answer(std::vector<Waiting> due) const {
  for (Waiting& one : due) one.answer(find(one));
}

base::Result<std::vector<Package>> PackageFollower::named() const {
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, followed_.platform.begin_read());
  std::vector<Package> all;
  for (std::string after;;) {
    TRV_TRY_ASSIGN(std::vector<Package> some, followed_.tenancy.packages(txn, after, page));
    const bool is_last = some.size() < page;
    if (!some.empty()) after = some.back().plugin + "/" + some.back().version;
    std::ranges::move(some, std::back_inserter(all));
    if (is_last) return all;
  }
}

base::Result<Package> PackageFollower::find(const Waiting& waiting) const {
  TRV_TRY_ASSIGN(const lmdb::ReadTxn txn, followed_.platform.begin_read());
  TRV_TRY_ASSIGN(auto package, followed_.tenancy.package(txn, waiting.plugin, waiting.version));
  if (package) return *std::move(package);
  return base::fail(ErrorCode::not_found,
                    fmt::format("plugin '{}' version '{}' is not known", waiting.plugin, waiting.version));
}

}  // namespace trv::plugin_host
