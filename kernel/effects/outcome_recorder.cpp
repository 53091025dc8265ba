#include "kernel/effects/outcome_recorder.hpp"

#include <fmt/format.h>

#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::effects {

OutcomeRecorder::OutcomeRecorder(instance::Workflows workflows, Submit submit)
    : workflows_(workflows), submit_(std::move(submit)) {
  TRV_EXPECTS(submit_ != nullptr);
}

void OutcomeRecorder::settle(const shard::Effect& effect, std::shared_ptr<const shard::Outcome> outcome,
                             DispatcherPorts::Recorded done) const {
  TRV_EXPECTS(outcome != nullptr);
  shard::Command command;
  command.tenant = effect.tenant;
  command.actor = effect.kind == "plugin" ? "plugin:" + effect.plugin : "kernel";
  command.traceparent = effect.traceparent;
  command.decide = [workflows = workflows_, key = effect.key, outcome = std::move(outcome)](
                       const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
    TRV_TRY_ASSIGN(auto settled, instance::outcome(state, context, workflows, key, *outcome));
    return std::move(settled.decision);
  };
  command.done = [done = std::move(done)](const base::Result<shard::Applied>& result) {
    // Where the instance itself is gone, nobody waits either.
    const bool is_over = result || result.error().code() == base::ErrorCode::not_found;
    done(is_over ? base::Status{} : base::Status(base::fail(result.error())));
  };
  submit_(std::move(command));
}

void OutcomeRecorder::park(const shard::Effect& effect, std::uint32_t deaths, DispatcherPorts::Recorded done) const {
  shard::Command command;
  command.tenant = effect.tenant;
  command.actor = "kernel";
  command.traceparent = effect.traceparent;
  command.decide = [&outbox = workflows_.outbox, effect, deaths](
                       const lmdb::Txn& state, shard::DecisionContext& context) -> base::Result<shard::Decision> {
    shard::Decision decision;
    TRV_TRY_ASSIGN(const bool is_pending, outbox.is_pending(state, effect.tenant, effect.position));
    if (is_pending) decision.events.push_back(shard::effect_parked(context, effect, deaths));
    return decision;
  };
  command.done = [done = std::move(done)](const base::Result<shard::Applied>& result) {
    done(result ? base::Status{} : base::Status(base::fail(result.error())));
  };
  submit_(std::move(command));
}

base::Result<shard::Decision> release(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                      const shard::Outbox& outbox, std::string_view id) {
  TRV_TRY_ASSIGN(auto parked, outbox.find_parked(txn, context.tenant, id));
  if (!parked) {
    return base::fail(base::ErrorCode::not_found, fmt::format("no parked effect has the id '{}'", id.substr(0, 80)));
  }
  shard::Decision decision;
  decision.events.push_back(shard::effect_released(context, parked->effect));
  decision.request(std::move(parked->effect));
  return decision;
}

}  // namespace trv::effects
