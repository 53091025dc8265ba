#pragma once
// What a decision is given and what it gives back. Decisions are pure: state and command in, events and effects out.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/lmdb/env.hpp"
#include "events/record/record.hpp"
#include "kernel/shard/effect.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"
#include "sdk/base/uuid.hpp"

namespace trv::shard {

/// Makes ready what a decision needs and what would hold the shard's thread: compiles, reads a file. Runs on another
/// thread, with a transaction of that thread.
using Preparation = std::move_only_function<void(const lmdb::Txn& state)>;

/// Everything that a decision may not fetch for itself. Filled by the shard before it decides.
struct DecisionContext {
  base::TenantId tenant;
  std::string actor;      ///< who acts: "member:ada", "token:…", "plugin:…", "webhook:…", "kernel"
  base::Timestamp now;    ///< the time of everything in this decision
  base::UuidSource& ids;  ///< ids and randomness of this decision
  std::optional<base::Uuid> causation_id;
  std::optional<base::Uuid> correlation_id;
  std::string traceparent;
  /// Null: the decision finds all that it needs, or makes it. Else a decision that lacks something says here how it is
  /// made ready, and returns any error: its command is decided again afterwards.
  Preparation* prepare = nullptr;
};

/// An effect that an event of the same decision puts into the outbox.
struct RequestedEffect {
  std::size_t event = 0;  ///< place of the event among the decision's
  Effect effect;
};

/// The events that a command leads to, in order, and what they ask of the world. No events: the command changed
/// nothing.
struct Decision {
  std::vector<record::Draft> events;
  std::vector<RequestedEffect> effects;
  std::vector<record::Lsn> cancelled;  ///< positions of the effects that the events cancel

  /// Puts the events and effects of `more` behind its own.
  void append(Decision more);
  /// Adds the effect that the last of the events puts into the outbox.
  void request(Effect&& effect);
};

/// An event of this decision; causation, correlation, actor, time and tenant come from the context.
[[nodiscard]] record::Draft draft(const DecisionContext& context, std::string_view stream_kind,
                                  std::string_view stream_id, std::string_view type, base::Bytes payload);

}  // namespace trv::shard
