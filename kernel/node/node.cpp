#include "kernel/node/node.hpp"

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
