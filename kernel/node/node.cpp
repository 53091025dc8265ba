#include "kernel/node/node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/contract.hpp"

namespace trv::node {
namespace {

constexpr std::size_t tenants_per_read = 500;
/// How long a tenant that is placed is left to the request that placed it.
constexpr base::Duration creation_wait = std::chrono::minutes(1);

}  // namespace

Node::Node(std::vector<std::unique_ptr<Shard>> shards, Forward forward, const base::Clock& clock, base::Random& random)
    : shards_(std::move(shards)), forward_(std::move(forward)), clock_(clock) {
  random.fill(salt_);
  TRV_EXPECTS(!shards_.empty());
  for (std::size_t i = 0; i < shards_.size(); ++i) TRV_EXPECTS(shards_[i]->id() == log::ShardId(i));
}

base::Result<std::unique_ptr<Node>> Node::open(const NodeOptions& options, log::EventLog& log, blob::BlobStore& blobs,
                                               const catalog::EventCatalog& catalog, const base::Clock& clock,
                                               base::Random& random) {
  TRV_EXPECTS(options.shards > 0);
  std::vector<std::unique_ptr<Shard>> shards;
  for (std::uint32_t id = 0; id < options.shards; ++id) {
    const ShardPlace place{.id = log::ShardId(id),
                           .folder = options.folder / std::to_string(id),
                           .map_bytes = options.map_bytes,
                           .snapshots = options.snapshots,
                           .ownership = options.forward ? shard::Ownership::assigned : shard::Ownership::sole,
                           .node = options.name};
    TRV_TRY_ASSIGN(auto shard, Shard::open(place, log, blobs, catalog, clock, random));
    shards.push_back(std::move(shard));
  }
  return std::unique_ptr<Node>(new Node(std::move(shards), options.forward, clock, random));
}

base::Status Node::start(const std::function<ShardObserver(Shard&)>& observer_of, const std::stop_token& stop) {
  std::vector<Shard*> order;
  for (const auto& shard : shards_) order.push_back(shard.get());
  std::ranges::stable_sort(order.begin() + 1, order.end(), {}, &Shard::backlog);
  std::vector<tenancy::Tenant> placed;  // what is placed later is in a shard that serves, and its request creates it
  for (Shard* shard : order) {
    TRV_TRY(shard->start(followed(observer_of(*shard)), stop));
    if (shard == &platform()) {
      TRV_TRY_ASSIGN(placed, tenants());
      TRV_TRY(check_placements(placed));
    }
    if (!is_shared()) {
      TRV_TRY_ASSIGN(const auto created, create_placed(*shard, placed));
      created_at_start_.insert(created_at_start_.end(), created.begin(), created.end());
    }
    TRV_TRY(shard->serve());
  }
  TRV_ENSURES(catching_up().empty());
  return {};
}

ShardObserver Node::followed(ShardObserver observer) {
  observer.committed = [this, next = std::move(observer.committed)](log::ShardId id, log::Lsn last) {
    if (id == platform().id()) {
      const std::scoped_lock lock(directory_mutex_);
      ++directory_changes_;
      directory_changed_.notify_all();
    }
    if (next) next(id, last);
  };
  observer.hand_over = [this](log::ShardId to, Subscription subscription, http::EventStream stream) {
    TRV_EXPECTS(to.value() < shards_.size());
    shards_[to.value()]->feed().follow(std::move(subscription), std::move(stream));
  };
  return observer;
}

base::Result<std::optional<tenancy::Tenant>> Node::await_tenant(const base::TenantId& id, base::Duration patience,
                                                                const Awaited& is_awaited) const {
  const base::Duration deadline = clock_.monotonic() + patience;
  for (;;) {
    std::unique_lock lock(directory_mutex_);
    const std::uint64_t seen = directory_changes_;
    lock.unlock();
    TRV_TRY_ASSIGN(auto found, tenant(id));
    const base::Duration left = deadline - clock_.monotonic();
    if (is_awaited(found) || left <= base::Duration::zero()) return found;
    lock.lock();
    directory_changed_.wait_for(lock, left, [&] { return directory_changes_ != seen; });
  }
}

base::Status Node::check_placements(const std::vector<tenancy::Tenant>& placed) const {
  for (const tenancy::Tenant& tenant : placed) {
    for (const auto& shard : {std::optional(tenant.shard), tenant.came_from, tenant.moves_to}) {
      if (!shard || shard->value() < shards_.size()) continue;
      return base::fail(base::ErrorCode::invalid,
                        fmt::format("shards = {}, but tenant '{}' is placed on shard {}{}: set shards to {} or more",
                                    shards_.size(), tenant.id.value(), tenant.shard.value(),
                                    *shard == tenant.shard ? "" : fmt::format(" and has records in {}", shard->value()),
                                    shard->value() + 1));
    }
  }
  return {};
}

base::Status Node::create_placed(Shard& shard) {
  TRV_TRY_ASSIGN(std::vector<tenancy::Tenant> placed, tenants());
  // Its request may be under way, and brings the owner's token.
  const base::Timestamp now = clock_.now();
  std::erase_if(placed, [now](const tenancy::Tenant& one) { return now - one.created < creation_wait; });
  TRV_TRY(create_placed(shard, placed));
  return {};
}

base::Result<std::vector<base::TenantId>> Node::create_placed(Shard& shard,
                                                              const std::vector<tenancy::Tenant>& placed) {
  std::vector<base::TenantId> created;
  for (const tenancy::Tenant& tenant : placed) {
    if (tenant.shard != shard.id()) continue;
    {
      TRV_TRY_ASSIGN(const auto txn, shard.begin_read());
      TRV_TRY_ASSIGN(const bool is_here, shard.tenancy().is_here(txn, tenant.id));
      TRV_TRY_ASSIGN(const auto residency, shard.residence().find(txn, tenant.id));
      if (is_here || residency) continue;
    }
    TRV_TRY(shard.decide_and_wait(tenant.id, [&](const lmdb::Txn& state, shard::DecisionContext& context) {
      return tenancy::decide(shard.tenancy(), state, context, tenancy::CreateTenant{tenant.id, tenant.display_name});
    }));
    created.push_back(tenant.id);
  }
  return created;
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
  TRV_TRY_ASSIGN(Shard* const shard, home_of(id));
  if (shard->is_serving()) return shard;
  return base::fail(base::ErrorCode::unavailable, shard->why_not_ready());
}

base::Result<Shard*> Node::home_of(const base::TenantId& id) const {
  // Until the platform's shard serves, the directory cannot be read.
  if (shards_.size() == 1 || id == base::system_tenant() || !platform().is_serving()) return &platform();
  TRV_TRY_ASSIGN(const auto known, tenant(id));
  if (known) {
    TRV_ASSERT(known->shard.value() < shards_.size());  // checked at the start, and decided so since
    Shard* const home = shards_[known->shard.value()].get();
    if (!known->came_from) return home;
    TRV_TRY_ASSIGN(const bool is_there, has_arrived(*home, known->id));
    return is_there ? home : shards_[known->came_from->value()].get();
  }
  // Its owner may know more, and answers alike for every tenant that does not exist.
  if (is_shared()) return &platform();
  // The same answers as for a tenant that exists, also while its shard is replayed.
  const base::Digest any = base::sha256({salt_, base::as_bytes(id.value())});
  return shards_[1 + any.front() % (shards_.size() - 1)].get();
}

base::Result<bool> Node::has_arrived(const Shard& shard, const base::TenantId& tenant) const {
  if (!shard.is_serving()) return true;
  TRV_TRY_ASSIGN(const auto txn, shard.begin_read());
  TRV_TRY_ASSIGN(const auto residency, shard.residence().find(txn, tenant));
  return residency &&
         (residency->presence == shard::Presence::here || residency->presence == shard::Presence::departed);
}

base::Result<std::optional<log::Lsn>> Node::first_needed(log::ShardId wanted) const {
  std::optional<log::Lsn> first;
  for (const auto& shard : shards_) {
    if (!shard->is_serving()) return log::Lsn(1);
    TRV_TRY_ASSIGN(const auto state, shard->begin_read());
    const auto take = [&](const base::TenantId& tenant, log::Lsn place) -> base::Status {
      TRV_TRY_ASSIGN(const auto residency, shard->residence().find(state, tenant));
      // The shard that it leaves has them all.
      if (residency && residency->presence == shard::Presence::arriving) return {};
      TRV_TRY_ASSIGN(const record::Stays stays, shard->stays(state, tenant));
      const std::optional<log::Lsn> needed = stays.first_in(wanted, place);
      if (needed) first = first ? std::min(*first, *needed) : needed;
      return {};
    };
    TRV_TRY(instance::InstanceStore(shard->workflows()).first_records(state, take));
  }
  return first;
}

std::set<std::uint32_t> Node::catching_up() const {
  std::set<std::uint32_t> shards;
  for (const auto& shard : shards_) {
    if (!shard->is_serving()) shards.insert(static_cast<std::uint32_t>(shard->id().value()));
  }
  return shards;
}

}  // namespace trv::node
