#pragma once
// From an event that came in, or that a workflow emits, to the workflows that it starts: one decision.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "events/blob/blob_store.hpp"
#include "kernel/effects/effect_dispatcher.hpp"
#include "kernel/node/node.hpp"
#include "kernel/plugin_host/service_request.hpp"

namespace trv::gateway {

/// Of webhooks and CloudEvents. Large services send up to 25 MB.
inline constexpr std::size_t event_body_bytes_max = std::size_t{25} << 20;

/// The channel of events that an instance emits; its id follows.
inline constexpr std::string_view workflow_channel = "workflow:";

/// Puts data that is too large for a record into a blob, which is durable then, and its digest in the event. Writes a
/// file: on a worker. Errors: of the blob store; invalid for data that is not JSON.
[[nodiscard]] base::Status keep_large_data(blob::BlobStore& blobs, ingest::Received& event);

struct Receipt {
  base::Uuid event;        ///< id of the record that took the event
  bool duplicate = false;  ///< it was taken before; nothing changed
  std::vector<base::Uuid> started;
  std::vector<base::Uuid> heard;  ///< instances that listened for it
  bool comes_later = false;  ///< not taken yet: an earlier event of the request moves an instance that listens for it
};

/// Takes the event once, starts an instance of every workflow whose schedule names it, and hands it to the instances
/// that listen for it. The events of one request share the budget. Shard's thread.
[[nodiscard]] base::Result<shard::Decision> receive(const ingest::IngestStore& ingest, instance::Workflows workflows,
                                                    const lmdb::Txn& state, shard::DecisionContext& context,
                                                    const ingest::Received& event, Receipt& receipt,
                                                    instance::DecisionBudget& budget,
                                                    std::size_t events_of_request = 1);

/// Takes the event that an effect of the kind "event" has asked for, whose key and outcome these are. Who emitted it
/// goes on in the same decision, unless an instance has heard it.
[[nodiscard]] base::Result<shard::Decision> receive_emitted(const ingest::IngestStore& ingest,
                                                            instance::Workflows workflows, const lmdb::Txn& state,
                                                            shard::DecisionContext& context,
                                                            const ingest::Received& event, std::string_view key,
                                                            const shard::Outcome& outcome);

/// The channel of events that a plugin emits within a call; the plugin's id follows. Their ids are the call's
/// idempotency key, '/' and a number.
inline constexpr std::string_view plugin_channel = "plugin:";

/// Takes an event that a call of a plugin emits, once however often that call is made. Any thread; `done` is called
/// once, with the event's id. Errors: invalid (its attributes), as a command's refusal.
void emit_plugin_event(node::Shard& shard, const plugin_host::ServiceCall& call, const plugin_host::EmitEvent& event,
                       std::move_only_function<void(base::Result<std::string> id)> done);

/// Takes the event of an effect of the kind "event", once however often it is tried. The outcome is the event. Any
/// thread.
[[nodiscard]] effects::CancelTry emit_event(node::Shard& shard, const shard::Effect& effect, effects::TryDone done);

}  // namespace trv::gateway
