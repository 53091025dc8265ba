#include "kernel/shard/decision.hpp"

#include "sdk/base/contract.hpp"

namespace trv::shard {

record::Draft draft(const DecisionContext& context, std::string_view stream_kind, std::string_view stream_id,
                    std::string_view type, base::Bytes payload) {
  TRV_EXPECTS(!stream_kind.empty() && !type.empty());
  TRV_EXPECTS(context.now.ns() >= 0);
  record::Draft event;
  event.tenant = context.tenant;
  event.stream_kind = stream_kind;
  event.stream_id = stream_id;
  event.type = type;
  event.schema_version = 1;
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
