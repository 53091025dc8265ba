#include "events/log/event_log.hpp"

#include <fmt/format.h>

#include "sdk/base/contract.hpp"

namespace trv::log {

std::unexpected<base::Error> claimed_later(ShardId shard, Epoch wanted, Epoch found) {
  TRV_EXPECTS(wanted < found);
  return base::fail(base::ErrorCode::conflict,
                    fmt::format("shard {} is at epoch {}: a record of epoch {} cannot follow", shard.value(),
                                found.value(), wanted.value()));
}

}  // namespace trv::log
