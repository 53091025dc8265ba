#include "kernel/node/node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/contract.hpp"

namespace trv::node {
namespace {

constexpr std::size_t tenants_per_read = 500;

}  // namespace

Node::Node(std::vector<std::unique_ptr<Shard>> shards, const base::Clock& clock)
    : shards_(std::move(shards)), clock_(clock) {
  TRV_EXPECTS(!shards_.empty());
  for (std::size_t i = 0; i < shards_.size(); ++i) TRV_EXPECTS(shards_[i]->id() == log::ShardId(i));
}

base::Result<std::unique_ptr<Node>> Node::open(const NodeOptions& options, log::EventLog& log, blob::BlobStore& blobs,
                                               const catalog::EventCatalog& catalog, const base::Clock& clock,
                                               base::Random& random) {
  TRV_EXPECTS(options.shards > 0);
  std::vector<std::unique_ptr<Shard>> shards;
  for (std::uint32_t id = 0; id < options.shards; ++id) {
    const ShardPlace place{log::ShardId(id), options.folder / std::to_string(id), options.map_bytes};
    TRV_TRY_ASSIGN(auto shard, Shard::open(place, log, blobs, catalog, clock, random));
    shards.push_back(std::move(shard));
  }
  return std::unique_ptr<Node>(new Node(std::move(shards), clock));
}

base::Status Node::start(const std::function<ShardObserver(Shard&)>& observer_of) {
  TRV_TRY(platform().start(observer_of(platform())));
  TRV_TRY_ASSIGN(const std::vector<tenancy::Tenant> placed, tenants());
  for (const tenancy::Tenant& tenant : placed) {
    if (tenant.shard.value() < shards_.size()) continue;
    return base::fail(base::ErrorCode::invalid,
                      fmt::format("shards = {}, but tenant '{}' lives in shard {}, and tenants do not move: set shards "
                                  "to {} or more",
                                  shards_.size(), tenant.id.value(), tenant.shard.value(), tenant.shard.value() + 1));
  }
  for (const auto& shard : shards().subspan(1)) TRV_TRY(shard->start(observer_of(*shard)));
  for (const tenancy::Tenant& tenant : placed) {
    Shard& shard = *shards_[tenant.shard.value()];
    {
      TRV_TRY_ASSIGN(const auto txn, shard.begin_read());
      TRV_TRY_ASSIGN(const bool is_here, shard.tenancy().is_here(txn, tenant.id));
      if (is_here) continue;
    }
    TRV_TRY(shard.decide_and_wait(tenant.id, [&](const lmdb::Txn& state, shard::DecisionContext& context) {
      return tenancy::decide(shard.tenancy(), state, context, tenancy::CreateTenant{tenant.id, tenant.display_name});
    }));
    created_at_start_.push_back(tenant.id);
  }
  return {};
}

base::Status Node::stop() {
  base::Status first;
  for (const auto& shard : shards_) {
    if (base::Status stopped = shard->stop(); !stopped && first) first = std::move(stopped);
  }
  return first;
}

base::Result<std::vector<tenancy::Tenant>> Node::tenants() const {
  TRV_TRY_ASSIGN(const auto txn, platform().begin_read());
  std::vector<tenancy::Tenant> all;
  for (bool more = true; more;) {
    const std::string after = all.empty() ? "" : all.back().id.value();
    TRV_TRY_ASSIGN(auto some, platform().tenancy().tenants(txn, after, tenants_per_read));
    more = some.size() == tenants_per_read;
    std::ranges::move(some, std::back_inserter(all));
  }
  return all;
}

base::Result<std::optional<tenancy::Tenant>> Node::tenant(const base::TenantId& id) const {
  TRV_TRY_ASSIGN(const auto txn, platform().begin_read());
  return platform().tenancy().tenant(txn, id);
}

base::Result<Shard*> Node::shard_of(const base::TenantId& id) const {
  if (shards_.size() == 1 || id == base::system_tenant()) return &platform();
  TRV_TRY_ASSIGN(const auto known, tenant(id));
  if (!known) return &platform();
  TRV_ASSERT(known->shard.value() < shards_.size());  // checked at the start, and decided so since
  return shards_[known->shard.value()].get();
}

std::string Node::why_not_ready() const {
  std::string reasons;
  for (const auto& shard : shards_) {
    const std::string reason = shard->why_not_ready();
    // Of what several have in common it is enough to hear once.
    if (reason.empty() || reasons.find(reason) != std::string::npos) continue;
    reasons += (reasons.empty() ? "" : "; ") + reason;
  }
  return reasons.empty() && !is_started_ ? "the plugins are being loaded" : reasons;
}

}  // namespace trv::node
