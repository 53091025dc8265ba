#pragma once
// What a platform begins with.

#include "kernel/gateway/access.hpp"
#include "kernel/node/shard.hpp"

namespace trv::daemon {

/// Records an operator's token and, where `is_new`, the system tenant before it. Returns when that is durable; not on
/// the shard's thread. Errors: as shard::Command::done.
[[nodiscard]] base::Status begin_platform(node::Shard& platform, const gateway::NewToken& token, bool is_new);

}  // namespace trv::daemon
