#pragma once
// From the record that asks for a package to the record that says what became of it.
//
// A handler stores the archive and records trv.plugin.requested. The follower reads the platform's projection, takes
// each package that has no outcome, fetches it by its digest, tries its library in a process of its own, loads it, and
// records trv.plugin.loaded or trv.plugin.refused. What a revocation list names is stopped. Where the process ends in
// between, the next one takes the package again: it ends loaded or refused. What no record names any more ends once its
// calls have, and is removed.

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "events/projection/projection.hpp"
#include "kernel/plugin_host/plugin_host.hpp"
#include "kernel/shard/command.hpp"
#include "kernel/tenancy/plugin_decisions.hpp"

namespace trv::plugin_host {

/// What the follower works with; all of it outlives the follower.
struct FollowedPackages {
  const projection::Projection& platform;
  const tenancy::TenancyStore& tenancy;
  PluginStore& store;
  PluginHost& host;
  const base::Clock& clock;
  std::function<void(shard::Command)> submit;  ///< to the platform's shard
  /// Whether this node owns that shard: another one settles no package and removes nothing, but loads what the log
  /// calls loaded.
  std::function<bool()> is_owner;
  std::function<void(const std::string&)> report;  ///< one line for the daemon's log; any thread
};

/// start() and stop() from one thread; everything else from any thread. Nothing but start() and stop() blocks.
class PackageFollower {
 public:
  explicit PackageFollower(FollowedPackages followed);
  ~PackageFollower();
  PackageFollower(const PackageFollower&) = delete;
  PackageFollower& operator=(const PackageFollower&) = delete;

  /// How many of the packages that the log calls loaded run; the host has a note of each other.
  struct Started {
    std::size_t loaded = 0;
    std::vector<std::string> problems;
  };
  /// Removes what no record names, loads what the log calls loaded, and begins to follow. Error: the projection cannot
  /// be read.
  [[nodiscard]] base::Result<Started> start();
  /// Ends a trial that is under way and answers everyone who waits. Idempotent.
  void stop();

  /// A request for a package was recorded, or was not and left its archive; or the platform's log has gone on at
  /// another node, or this one owns it now.
  void wake();

  /// What tenancy::RequestPackage::runs says of this package. False only where the log calls this version loaded and
  /// its package does not run here, so that a request brings it back. Error: the projection cannot be read.
  [[nodiscard]] base::Result<bool> runs_as_recorded(const package::Manifest& manifest,
                                                    const base::Digest& package_sha256) const;

  using Answer = std::move_only_function<void(base::Result<tenancy::Package>)>;
  /// Calls `answer` once with the package as it is when its outcome is recorded, or when `patience` is over. Contract:
  /// the package was requested.
  void await(const tenancy::Package& package, base::Duration patience, Answer answer);

 private:
  struct Waiting {
    std::string plugin;
    std::string version;
    base::Duration deadline;
    Answer answer;
  };

  void follow(const std::stop_token& stop);
  [[nodiscard]] bool load_known(const std::stop_token& stop);
  [[nodiscard]] base::Status stop_revoked(const std::vector<tenancy::Package>& packages);
  [[nodiscard]] base::Status load(const tenancy::Package& package, const std::stop_token& stop);
  void retire_unnamed();
  [[nodiscard]] bool settle_pending(const std::stop_token& stop);
  [[nodiscard]] bool settle(const tenancy::Package& package, const std::stop_token& stop);
  [[nodiscard]] base::Status load_first(const base::Digest& package_digest, const std::stop_token& stop);
  [[nodiscard]] base::Status record(const tenancy::Package& package, std::optional<base::Error> refusal);
  [[nodiscard]] bool sweep();
  void answer_in_time(const std::stop_token& stop);
  [[nodiscard]] std::vector<Waiting> take_due(base::Duration now);
  void answer(std::vector<Waiting> due) const;
  [[nodiscard]] base::Result<std::vector<tenancy::Package>> named() const;
  [[nodiscard]] base::Result<tenancy::Package> find(const Waiting& waiting) const;

  const FollowedPackages followed_;
  // Of start(), then of the following thread.
  std::map<base::Digest, int> failed_tries_;
  std::set<base::Digest> known_;                 ///< packages whose library was loaded, or did not load, or may not
  std::map<base::Digest, std::string> revoked_;  ///< and why
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool woken_ = false;
  std::optional<base::Digest> in_hand_;  ///< of the package that is being settled
  std::condition_variable_any waiting_changed_;
  bool has_changed_ = false;
  std::vector<Waiting> waiting_;
  bool is_over_ = false;  ///< nobody waits any more
  std::jthread follower_;
  std::jthread answerer_;
};

}  // namespace trv::plugin_host
