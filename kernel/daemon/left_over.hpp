#pragma once
// What was stored beside the log for a record that was never written: the process died first, or the request was cut
// off. It goes a day later.

#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "events/blob/folder_blob_store.hpp"
#include "events/projection/snapshots.hpp"
#include "kernel/egress/secret_store.hpp"
#include "kernel/node/node.hpp"

namespace trv::daemon {

/// Those of the connections of these tenants of which the shard has rows.
[[nodiscard]] base::Result<std::set<egress::SecretReference>> secrets_of(const node::Shard& shard,
                                                                         const std::vector<tenancy::Tenant>& tenants);

/// Waits some seconds until the projections here have every record that the logs of all shards have now: of a standby
/// that is cut off they may lack those of days. Errors: cancelled where they lack some still; of the log.
[[nodiscard]] base::Status await_log_ends(const node::Node& node, const std::stop_token& stop);

/// All of it outlives the sweep.
struct SweptStores {
  const node::Node& node;
  blob::FolderBlobStore& blobs;     ///< of events and plugins
  blob::FolderBlobStore& archives;  ///< of packages: what nobody names goes with plugin_host::PackageFollower
  egress::SecretStore& secrets;
  projection::Snapshots& snapshots;
  const base::Clock& clock;
  /// This process is the one that sweeps now, and nothing forbids that anything is removed.
  std::function<bool()> may_sweep;
  std::function<void(const std::string& line)> report;
};

/// Looks at the start and then each day, on a thread of its own. What is removed is a day old, and no record names it:
/// of each shard every record is applied that was in the log when the sweep began.
class LeftOver {
 public:
  explicit LeftOver(SweptStores stores) : stores_(std::move(stores)) {}

  void start();
  void stop() { thread_ = {}; }

 private:
  void run(const std::stop_token& stop);
  [[nodiscard]] base::Status sweep(const std::stop_token& stop);
  [[nodiscard]] base::Status sweep_plugin_data(const std::stop_token& stop);
  [[nodiscard]] base::Result<std::set<std::string>> uninstalled_with_data(const node::Shard& shard,
                                                                          const base::TenantId& tenant) const;
  [[nodiscard]] base::Status sweep_secrets(const std::stop_token& stop);
  [[nodiscard]] base::Status sweep_blobs(const std::stop_token& stop);
  [[nodiscard]] base::Result<std::set<base::Digest>> kept_by_plugins(const std::stop_token& stop) const;
  [[nodiscard]] base::Result<bool> is_named(const base::Digest& blob) const;

  const SweptStores stores_;
  std::jthread thread_;
};

}  // namespace trv::daemon
