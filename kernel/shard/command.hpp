#pragma once
// A command: a request to change something. It may be refused.

#include <functional>
#include <optional>
#include <string>

#include "events/lmdb/env.hpp"
#include "events/log/event_log.hpp"
#include "kernel/shard/decision.hpp"
#include "kernel/shard/timers.hpp"

namespace trv::shard {

/// What became of a command: the records it led to, all durable. `last` < `first` where it changed nothing.
struct Applied {
  log::Lsn first;
  log::Lsn last;
};

/// Handed to a shard by any thread; decided on the shard's thread, in order of arrival.
struct Command {
  base::TenantId tenant;
  std::string actor;
  std::optional<base::Uuid> causation_id;
  std::optional<base::Uuid> correlation_id;
  std::string traceparent;
  /// It withdraws or ends something: decided also from the reserve that is kept where there is no room for more.
  bool frees_room = false;
  std::uint32_t preparations = 0;  ///< how often something that its decision lacked was made ready
  bool moves_tenant = false;       ///< a step of the tenant's move: also where the tenant is not, or not any more
  std::optional<Timer> timer{};    ///< that asks for it

  /// Pure; may be called again when a batch has to be undone, so it moves nothing out of itself. Reads the state as all
  /// earlier commands left it. Its error is the command's refusal.
  std::move_only_function<base::Result<Decision>(const lmdb::Txn& state, DecisionContext& context)> decide;

  /// Called once on the shard's thread after the decision is durable and projected, or with the error. Must not block.
  /// ErrorCode::lost: whether it took effect is unknown; ask again with the same keys.
  std::move_only_function<void(const base::Result<Applied>& outcome)> done;
};

}  // namespace trv::shard
