#pragma once
// The shards of this process and the directory: which of them a tenant lives in.

#include <array>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <stop_token>
#include <vector>

#include "kernel/http/responder.hpp"
#include "kernel/node/shard.hpp"

namespace trv::node {

/// Has the request answered by the node that owns the shard; see Forwarder::forward. Any thread.
using Forward = std::function<void(log::ShardId shard, http::Responder responder, bool says_shard)>;

struct NodeOptions {
  std::string name = "node";     ///< by which it claims its shards
  std::filesystem::path folder;  ///< of the projections, one folder for each shard
  std::uint64_t map_bytes = std::uint64_t{64} << 30;
  std::uint32_t shards = 1;
  projection::Snapshots* snapshots = nullptr;  ///< outlives the node
  /// Set where several nodes share the shards: then each follows all of them as standby and owns those that it is
  /// assigned. Empty: this one owns them all.
  Forward forward = {};
};

/// Shard 0 is the platform's own: tenants and their placement, packages, operators. A tenant lives in the shard that
/// trv.tenant.placed names, until it is moved to another one. open(), start() and stop() from one thread; everything
/// else from any.
class Node {
 public:
  /// The references must outlive the node. Errors: as Shard::open.
  [[nodiscard]] static base::Result<std::unique_ptr<Node>> open(const NodeOptions& options, log::EventLog& log,
                                                                blob::BlobStore& blobs,
                                                                const catalog::EventCatalog& catalog,
                                                                const base::Clock& clock, base::Random& random);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Starts every shard: the platform's first, then those with the fewest records to replay. Each serves as soon as it
  /// is ready, with the tenants that were placed in it and not created before the process ended. Errors: invalid where
  /// a tenant lives in a shard that this node does not have; as Shard::start.
  [[nodiscard]] base::Status start(const std::function<ShardObserver(Shard&)>& observer_of,
                                   const std::stop_token& stop = {});
  /// Every shard, also where one of them reports an error; the first of those. Idempotent.
  [[nodiscard]] base::Status stop();

  [[nodiscard]] Shard& platform() const noexcept { return *shards_.front(); }
  [[nodiscard]] std::span<const std::unique_ptr<Shard>> shards() const noexcept { return shards_; }
  /// nullopt: there is no such tenant.
  [[nodiscard]] base::Result<std::optional<tenancy::Tenant>> tenant(const base::TenantId& id) const;
  /// All of them, in the order of their ids.
  [[nodiscard]] base::Result<std::vector<tenancy::Tenant>> tenants() const;
  /// Where the tenant lives. For a tenant that does not exist: some shard, in which nothing of it is found. Error:
  /// unavailable while that shard does not serve yet, with how far it is.
  [[nodiscard]] base::Result<Shard*> shard_of(const base::TenantId& tenant) const;

  /// Whether other nodes own some of the shards.
  [[nodiscard]] bool is_shared() const noexcept { return forward_ != nullptr; }
  /// The shard whose owner answers for the tenant, also before that is ready. For a tenant that the directory here does
  /// not have: the platform's where shards are shared, else some shard.
  [[nodiscard]] base::Result<Shard*> home_of(const base::TenantId& tenant) const;
  /// Contract: is_shared().
  void forward(const Shard& shard, http::Responder responder, bool says_shard = false) const {
    forward_(shard.id(), std::move(responder), says_shard);
  }
  /// The tenant as the platform's log has it when that is what `is_awaited` wants, or when `patience` is over. Not on a
  /// shard's thread.
  using Awaited = std::function<bool(const std::optional<tenancy::Tenant>& tenant)>;
  [[nodiscard]] base::Result<std::optional<tenancy::Tenant>> await_tenant(const base::TenantId& id,
                                                                          base::Duration patience,
                                                                          const Awaited& is_awaited) const;
  /// Creates the tenants that were placed in a shard which this node owns a minute ago or longer, and not created. Not
  /// on the shard's thread.
  [[nodiscard]] base::Status create_placed(Shard& shard);

  /// Tenants that start() created because an earlier process had placed them and no more. Nobody has an owner token of
  /// them: the operator issues one.
  [[nodiscard]] const std::vector<base::TenantId>& created_at_start() const noexcept { return created_at_start_; }

  /// The first record of the shard that is read for an instance, also for those of tenants that have moved since.
  /// nullopt: there are none.
  [[nodiscard]] base::Result<std::optional<log::Lsn>> first_needed(log::ShardId wanted) const;
  /// The shards that do not serve yet.
  [[nodiscard]] std::set<std::uint32_t> catching_up() const;
  [[nodiscard]] base::Timestamp now() const { return clock_.now(); }

 private:
  Node(std::vector<std::unique_ptr<Shard>> shards, Forward forward, const base::Clock& clock, base::Random& random);
  [[nodiscard]] ShardObserver followed(ShardObserver observer);
  [[nodiscard]] base::Status check_placements(const std::vector<tenancy::Tenant>& placed) const;
  [[nodiscard]] base::Result<std::vector<base::TenantId>> create_placed(Shard& shard,
                                                                        const std::vector<tenancy::Tenant>& placed);

  /// Whether the records with which the tenant arrived in the shard are applied here.
  [[nodiscard]] base::Result<bool> has_arrived(const Shard& shard, const base::TenantId& tenant) const;

  std::vector<std::unique_ptr<Shard>> shards_;  ///< by id, from 0 without gap
  const Forward forward_;
  const base::Clock& clock_;
  std::array<std::uint8_t, 32> salt_{};  ///< so that clients cannot compute where a missing tenant is looked for
  std::vector<base::TenantId> created_at_start_;
  mutable std::mutex directory_mutex_;
  mutable std::condition_variable directory_changed_;
  std::uint64_t directory_changes_ = 0;  ///< commits of the platform's shard
};

}  // namespace trv::node
