#include "kernel/node/node.hpp"

#include <algorithm>

#include "sdk/base/contract.hpp"

namespace trv::node {

Node::Node(std::vector<std::unique_ptr<Shard>> shards, const base::Clock& clock)
    : shards_(std::move(shards)), clock_(clock) {
  TRV_EXPECTS(!shards_.empty());
  for (std::size_t i = 0; i < shards_.size(); ++i) TRV_EXPECTS(shards_[i]->id() == log::ShardId(i));
}

base::Result<Shard*> Node::shard_of(const base::TenantId& tenant) const {
  TRV_EXPECTS(!tenant.empty());
  return shards_.front().get();
}

bool Node::ready() const {
  return std::ranges::all_of(shards_, [](const auto& shard) { return shard->ready(); });
}

}  // namespace trv::node
