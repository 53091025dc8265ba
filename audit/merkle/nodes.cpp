#include "audit/merkle/nodes.hpp"

#include <string>

#include "sdk/base/contract.hpp"

namespace trv::merkle {

Result<std::optional<Digest>> InMemoryNodes::node(NodeAddress address) const {
  if (address.level >= levels_.size() || address.index >= levels_[address.level].size()) {
    return std::nullopt;
  }
  return levels_[address.level][address.index];
}

Status InMemoryNodes::put(NodeAddress address, const Digest& hash) {
  TRV_EXPECTS(address.level < 64);
  if (address.level >= levels_.size()) {
    levels_.resize(address.level + 1);
  }
  auto& level = levels_[address.level];
  if (address.index < level.size()) {
    if (level[address.index] != hash) {
      return base::fail(base::ErrorCode::conflict, "node " + std::to_string(address.index) + " of level " +
                                                       std::to_string(address.level) +
                                                       " is already stored with another hash");
    }
    return {};
  }
  if (address.index > level.size()) {
    return base::fail(base::ErrorCode::invalid, "node " + std::to_string(address.index) + " of level " +
                                                    std::to_string(address.level) + " comes before node " +
                                                    std::to_string(level.size()));
  }
  level.push_back(hash);
  return {};
}

}  // namespace trv::merkle
