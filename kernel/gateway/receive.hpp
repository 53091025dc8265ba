#pragma once
// From an event that came in to the workflows that it starts: one decision.

#include <memory>
#include <vector>

#include "kernel/node/node.hpp"

namespace trv::gateway {

struct Receipt {
  base::Uuid event;        ///< id of the record that took the event
  bool duplicate = false;  ///< it was taken before; nothing changed
  std::vector<base::Uuid> started;
};

/// Takes the event once and starts an instance of every workflow that listens for it. Shard's thread.
[[nodiscard]] base::Result<shard::Decision> receive(node::Shard& shard, const lmdb::Txn& state,
                                                    shard::DecisionContext& context, const ingest::Received& event,
                                                    Receipt& receipt);

}  // namespace trv::gateway
