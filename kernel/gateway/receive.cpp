#include "kernel/gateway/receive.hpp"

#include <fmt/format.h>

#include "kernel/gateway/cloud_event.hpp"
#include "kernel/json/parse.hpp"
#include "kernel/workflow/instance/state.hpp"
#include "sdk/base/contract.hpp"

namespace trv::gateway {
namespace {

std::optional<instance::LargeEventData> large_data_of(const ingest::Received& event) {
  if (!event.large) return std::nullopt;
  return instance::LargeEventData{.value = event.large->value,
                                  .is_base64 = event.large->is_base64,
                                  .sha256_hex = base::to_hex(event.large->sha256),
                                  .bytes = event.large->bytes};
}

}  // namespace

base::Status keep_large_data(blob::BlobStore& blobs, ingest::Received& event) {
  const bool is_base64 = !event.data_base64.empty();
  std::string& text = is_base64 ? event.data_base64 : event.data;
  if (text.size() <= instance::data_bytes_max) return {};
  ingest::LargeData large{.sha256 = {}, .bytes = text.size(), .is_base64 = is_base64, .value = {}};
  if (is_base64) {
    const auto octets = base::from_base64(text);
    TRV_ASSERT(octets.has_value());
    large.bytes = octets->size();
    large.value = json::Value(text);
    TRV_TRY_ASSIGN(large.sha256, blobs.put(*octets));
  } else {
    TRV_TRY_ASSIGN(large.value, json::parse(text, {.bytes_max = text.size()}));
    TRV_TRY_ASSIGN(large.sha256, blobs.put(base::as_bytes(text)));
  }
  text.clear();
  text.shrink_to_fit();
  event.large = std::move(large);
  return {};
}

base::Result<shard::Decision> receive(const ingest::IngestStore& ingest, instance::Workflows workflows,
                                      const lmdb::Txn& state, shard::DecisionContext& context,
                                      const ingest::Received& event, Receipt& receipt, instance::DecisionBudget& budget,
                                      std::size_t events_of_request) {
  receipt = {};
  TRV_TRY_ASSIGN(const auto taken, ingest.taken(state, context.tenant, event));
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
  const std::string_view channel = event.channel;
  std::uint32_t chain = 0;
  if (channel.starts_with(workflow_channel)) {
    TRV_TRY_ASSIGN(chain, instance::event_chain(state, context, workflows, channel.substr(workflow_channel.size())));
  } else if (channel.starts_with(plugin_channel)) {
    // So that a workflow which calls what starts it ends.
    const auto caller = instance::instance_of_effect(context.tenant, event.id);
    if (caller) {
      TRV_TRY_ASSIGN(chain, instance::event_chain(state, context, workflows, caller->to_string()));
    }
  }
  const instance::ReceivedEvent received{.id = event.id,
                                         .source = event.source,
                                         .type = event.type,
                                         .subject = event.subject,
                                         .time = event.time,
                                         .datacontenttype = event.datacontenttype,
                                         .dataschema = event.dataschema,
                                         .extensions = event.extensions,
                                         .data = event.data,
                                         .data_base64 = event.data_base64,
                                         .large = large_data_of(event),
                                         .chain = chain};
  TRV_TRY_ASSIGN(auto started, instance::receive_event(state, context, workflows, received, budget, events_of_request));
  receipt.comes_later = started.comes_later;
  if (started.comes_later) return shard::Decision{};
  receipt.started = std::move(started.instances);
  receipt.heard = std::move(started.heard);
  decision.append(std::move(started.decision));
  TRV_ENSURES(decision.events.size() >= 1 + receipt.started.size());
  TRV_ENSURES(decision.events.front().event_id == receipt.event);
  return decision;
}

base::Result<shard::Decision> receive_emitted(const ingest::IngestStore& ingest, instance::Workflows workflows,
                                              const lmdb::Txn& state, shard::DecisionContext& context,
                                              const ingest::Received& event, std::string_view key,
                                              const shard::Outcome& outcome) {
  Receipt receipt;
  instance::DecisionBudget budget;
  TRV_TRY_ASSIGN(shard::Decision decision, receive(ingest, workflows, state, context, event, receipt, budget));
  // The emitter goes on in the same decision, so that it listens before anybody can answer. Where instances have
  // heard the event the state does not show how they go on, and one of them may be the emitter, or run it.
  if (!receipt.heard.empty()) return decision;
  auto settled = instance::outcome(state, context, workflows, key, outcome);
  if (!settled && settled.error().code() != base::ErrorCode::not_found) return base::fail(settled.error());
  if (settled) decision.append(std::move(settled->decision));
  return decision;
}

void emit_plugin_event(node::Shard& shard, const plugin_host::ServiceCall& call, const plugin_host::EmitEvent& event,
                       std::move_only_function<void(base::Result<std::string> id)> done) {
  TRV_EXPECTS(call.emitted > 0);
  if (call.key.empty()) {
    return done(base::fail(base::ErrorCode::invalid, "a call without an idempotency key emits no events"));
  }
  ingest::Received received;
  received.id = fmt::format("{}/{}", call.key, call.emitted);
  received.source = "/plugins/" + call.plugin;
  received.type = event.type;
  received.subject = event.subject;
  received.datacontenttype = event.data.empty() ? "" : "application/json";
  received.data = event.data;
  received.channel = std::string(plugin_channel) + call.plugin;
  received.body_sha256 = base::sha256(base::as_bytes(event.data));
  shard::Command command;
  command.tenant = call.tenant;
  command.actor = "plugin:" + call.plugin;
  command.traceparent = call.traceparent;
  const std::string id = received.id;
  command.decide = [&shard, received = std::move(received)](const lmdb::Txn& state, shard::DecisionContext& context) {
    ingest::Received now = received;
    now.time = context.now;
    Receipt receipt;
    instance::DecisionBudget budget;
    return receive(shard.ingest(), shard.decision_state(), state, context, now, receipt, budget);
  };
  command.done = [id, done = std::move(done)](const base::Result<shard::Applied>& applied) mutable {
    done(applied ? base::Result<std::string>(id) : base::fail(applied.error()));
  };
  shard.submit(std::move(command));
}

effects::CancelTry emit_event(node::Shard& shard, const shard::Effect& effect, effects::TryDone done) {
  const auto failed = [](const base::Error& error) {
    shard::Outcome outcome;
    outcome.code = base::to_string(error.code());
    outcome.message = error.message();
    const bool again = error.code() == base::ErrorCode::unavailable || error.code() == base::ErrorCode::lost;
    return effects::TryResult{.outcome = std::move(outcome), .retry = again};
  };
  const base::Result<json::Value> event = json::parse(effect.input);
  base::Result<ingest::Received> received =
      event ? read_cloud_event(*event, base::sha256(base::as_bytes(effect.input))) : base::fail(event.error());
  if (!received) {
    done(failed(received.error()));
    return {};
  }
  received->channel = std::string(workflow_channel) + effect.owner;
  shard::Command command;
  command.tenant = effect.tenant;
  command.actor = "kernel";
  command.traceparent = effect.traceparent;
  shard::Outcome outcome;
  outcome.ok = true;
  outcome.output = effect.input;
  command.decide = [&shard, received = *std::move(received), key = effect.key, outcome](
                       const lmdb::Txn& state, shard::DecisionContext& context) {
    return receive_emitted(shard.ingest(), shard.decision_state(), state, context, received, key, outcome);
  };
  command.done = [done = std::move(done), failed, outcome](const base::Result<shard::Applied>& applied) {
    done(applied ? effects::TryResult{.outcome = outcome} : failed(applied.error()));
  };
  shard.submit(std::move(command));
  return {};
}

}  // namespace trv::gateway
