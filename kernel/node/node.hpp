#pragma once
// The shards of this process and the directory: which of them a tenant lives in.

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernel/node/shard.hpp"

namespace trv::node {

struct NodeOptions {
  std::filesystem::path folder;  ///< of the projections, one folder for each shard
  std::uint64_t map_bytes = std::uint64_t{64} << 30;
  std::uint32_t shards = 1;
};

/// Shard 0 is the platform's own: tenants and their placement, packages, operators. A tenant lives in the shard that
/// trv.tenant.placed names, for ever. open(), start() and stop() from one thread; everything else from any.
class Node {
 public:
  /// The references must outlive the node. Errors: as Shard::open.
  [[nodiscard]] static base::Result<std::unique_ptr<Node>> open(const NodeOptions& options, log::EventLog& log,
                                                                blob::BlobStore& blobs,
                                                                const catalog::EventCatalog& catalog,
                                                                const base::Clock& clock, base::Random& random);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Starts every shard, the platform's first, and creates the tenants that were placed and not created before the
  /// process ended. Errors: invalid where a tenant lives in a shard that this node does not have; as Shard::start.
  [[nodiscard]] base::Status start(const std::function<ShardObserver(Shard&)>& observer_of);
  /// Every shard, also where one of them reports an error; the first of those. Idempotent.
  [[nodiscard]] base::Status stop();

  [[nodiscard]] Shard& platform() const noexcept { return *shards_.front(); }
  [[nodiscard]] std::span<const std::unique_ptr<Shard>> shards() const noexcept { return shards_; }
  /// nullopt: there is no such tenant.
  [[nodiscard]] base::Result<std::optional<tenancy::Tenant>> tenant(const base::TenantId& id) const;
  /// All of them, in the order of their ids.
  [[nodiscard]] base::Result<std::vector<tenancy::Tenant>> tenants() const;
  /// Where the tenant lives. For a tenant that does not exist: some shard, in which nothing of it is found.
  [[nodiscard]] base::Result<Shard*> shard_of(const base::TenantId& tenant) const;

  /// Tenants that start() created because an earlier process had placed them and no more. Nobody has an owner token of
  /// them: the operator issues one.
  [[nodiscard]] const std::vector<base::TenantId>& created_at_start() const noexcept { return created_at_start_; }

  /// What keeps which shards from taking every command, for clients; empty where nothing does. Also while they start.
  [[nodiscard]] std::string why_not_ready() const;
  /// The start is done: from here on why_not_ready() asks the shards alone.
  void started() noexcept { is_started_ = true; }
  [[nodiscard]] bool is_started() const noexcept { return is_started_; }
  [[nodiscard]] base::Timestamp now() const { return clock_.now(); }

 private:
  Node(std::vector<std::unique_ptr<Shard>> shards, const base::Clock& clock);

  std::vector<std::unique_ptr<Shard>> shards_;  ///< by id, from 0 without gap
  const base::Clock& clock_;
  std::vector<base::TenantId> created_at_start_;
  std::atomic<bool> is_started_ = false;
};

}  // namespace trv::node
