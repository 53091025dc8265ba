#include "kernel/gateway/receive.hpp"

#include "sdk/base/contract.hpp"

namespace trv::gateway {

base::Result<shard::Decision> receive(node::Shard& shard, const lmdb::Txn& state, shard::DecisionContext& context,
                                      const ingest::Received& event, Receipt& receipt) {
  receipt = {};
  TRV_TRY_ASSIGN(const auto taken, shard.ingest().taken(state, context.tenant, event));
  if (taken) {
    receipt.event = *taken;
    receipt.duplicate = true;
    return shard::Decision{};
  }
  shard::Decision decision;
  TRV_TRY_ASSIGN(record::Draft draft, ingest::received(context, event));
  receipt.event = draft.event_id;
  decision.events.push_back(std::move(draft));

  context.causation_id = receipt.event;
  const instance::ReceivedEvent received{.id = event.id,
                                         .source = event.source,
                                         .type = event.type,
                                         .subject = event.subject,
                                         .time = event.time,
                                         .datacontenttype = event.datacontenttype,
                                         .dataschema = event.dataschema,
                                         .extensions = event.extensions,
                                         .data = event.data,
                                         .data_base64 = event.data_base64};
  TRV_TRY_ASSIGN(auto started, instance::receive_event(state, context, shard.decision_state(), received));
  receipt.started = std::move(started.instances);
  decision.append(std::move(started.decision));
  TRV_ENSURES(decision.events.size() >= 1 + receipt.started.size());
  TRV_ENSURES(decision.events.front().event_id == receipt.event);
  return decision;
}

}  // namespace trv::gateway
