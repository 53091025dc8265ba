#include "kernel/shard/decision.hpp"

#include <iterator>
#include <utility>

#include "events/projection/known_events.hpp"
#include "sdk/base/contract.hpp"

namespace trv::shard {

void Decision::append(Decision more) {
  const std::size_t before = events.size();
  std::move(more.events.begin(), more.events.end(), std::back_inserter(events));
  for (RequestedEffect& one : more.effects) {
    one.event += before;
    TRV_ASSERT(one.event < events.size());
    effects.push_back(std::move(one));
  }
  cancelled.insert(cancelled.end(), more.cancelled.begin(), more.cancelled.end());
}

void Decision::request(Effect&& effect) {
  TRV_EXPECTS(!events.empty() && !effect.key.empty());
  const record::Draft& event = events.back();
  TRV_EXPECTS(event.stream_id == effect.owner);
  effect.tenant = event.tenant;
  effect.traceparent = event.traceparent;
  effect.requested = event.time;
  effects.emplace_back(events.size() - 1, std::move(effect));
}

record::Draft draft(const DecisionContext& context, std::string_view stream_kind, std::string_view stream_id,
                    std::string_view type, base::Bytes payload) {
  TRV_EXPECTS(!stream_kind.empty() && !type.empty());
  TRV_EXPECTS(context.now.ns() >= 0);
  record::Draft event;
  event.tenant = context.tenant;
  event.stream_kind = stream_kind;
  event.stream_id = stream_id;
  event.type = type;
  event.schema_version = projection::schema_version_known;
  event.actor = context.actor;
  event.event_id = context.ids.next(context.now);
  event.time = context.now;
  event.causation_id = context.causation_id;
  event.correlation_id = context.correlation_id;
  event.traceparent = context.traceparent;
  event.payload = std::move(payload);
  return event;
}

}  // namespace trv::shard
