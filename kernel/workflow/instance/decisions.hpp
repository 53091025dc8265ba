#pragma once
// What the workflow room decides: pure functions from the projection's state and a command to events. Each runs on the
// shard's thread within the command's `decide`; a Result's error is the command's refusal. Nothing is durable before
// the shard has settled the events.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/shard/command.hpp"
#include "kernel/shard/effect.hpp"
#include "kernel/shard/outbox.hpp"
#include "kernel/shard/timers.hpp"
#include "kernel/workflow/instance/decision_budget.hpp"
#include "kernel/workflow/instance/definition_cache.hpp"
#include "kernel/workflow/instance/large_data.hpp"
#include "kernel/workflow/instance/store.hpp"

namespace trv::instance {

/// What decisions read besides their command. References must outlive the call.
struct Workflows {
  const Tables& tables;
  DefinitionCache& cache;
  const shard::Outbox& outbox;
  LargeData* large_data = nullptr;  ///< null where no blobs are
};

/// Compiled before it is decided, on the thread of the request.
struct ApplyDefinition {
  DefinitionPointer definition;
  std::string text;
  definition::Format format = definition::Format::yaml;

  /// Errors: invalid or too_large with line and column.
  [[nodiscard]] static base::Result<ApplyDefinition> compile(std::string text,
                                                             definition::Format format = definition::Format::yaml);
};
struct AppliedDefinition {
  shard::Decision decision;  ///< no events where it is stored already
  definition::Name name;
  base::Digest sha256{};
  bool existed = false;
  bool is_disabled = false;  ///< the workflow
};
/// Error: conflict where the same version has another text.
[[nodiscard]] base::Result<AppliedDefinition> apply_definition(const lmdb::Txn& txn,
                                                               const shard::DecisionContext& context,
                                                               Workflows workflows, const ApplyDefinition& command);

struct Start {
  std::string space;
  std::string name;
  std::string version;  ///< empty = latest
  std::string input;    ///< JSON; empty = {}
  std::string trigger = "api";
  std::string key{};  ///< what the instance is found by, see Names; empty: none
};
struct Started {
  shard::Decision decision;  ///< no events where this key has started an instance already
  InstanceId instance;
  definition::Name definition;  ///< of the instance, with its version
  Status status = Status::running;
  std::string key;  ///< of the instance
  bool existed = false;
};
/// Errors: not_found for the definition; conflict where the workflow is disabled; invalid or too_large for the input.
[[nodiscard]] base::Result<Started> start(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                          Workflows workflows, const Start& command);

/// Data over data_bytes_max, which a blob holds. Expressions see all of it: filters, `input.from`, `$workflow.input`.
/// An instance keeps what `input.from` makes of it, and its input with `datablob`, digest and size, in the data's
/// place.
struct LargeEventData {
  json::Value value;
  bool is_base64 = false;
  std::string sha256_hex;
  std::uint64_t bytes = 0;
};

/// A CloudEvent 1.0.
struct ReceivedEvent {
  std::string id;
  std::string source;
  std::string type;
  std::string subject{};  ///< empty: none
  std::optional<base::Timestamp> time{};
  std::string datacontenttype{};          ///< empty: none
  std::string dataschema{};               ///< empty: none
  std::string extensions{};               ///< JSON object; its members are beside the attributes above; empty: none
  std::string data{};                     ///< JSON; empty: none
  std::string data_base64{};              ///< empty: none
  std::optional<LargeEventData> large{};  ///< then `data` and `data_base64` are empty
  std::uint32_t chain = 0;                ///< of an event that a workflow emitted: see event_chain()
};
struct StartedByEvent {
  shard::Decision decision;
  std::vector<InstanceId> instances;  ///< one for each definition whose schedule.on lets the event pass
  std::vector<InstanceId> heard;      ///< those that listened for it
  bool comes_later = false;           ///< an earlier event of the request went to one of them: ask again after that
};
/// Does not look whether the event was received before. The events of one request share a budget; each workflow's
/// filter and input have a bounded part of their own, and one that uses it up costs no other workflow its start: it is
/// recorded as trv.filter.failed, or its instance faults. Errors: invalid or too_large for the data; too_large where
/// too many listen.
[[nodiscard]] base::Result<StartedByEvent> receive_event(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                         Workflows workflows, const ReceivedEvent& event,
                                                         DecisionBudget& budget, std::size_t events_of_request = 1);

struct SettledEffect {
  shard::Decision decision;
  bool already_known = false;  ///< an outcome was accepted before, or the effect was cancelled; no events
};
/// The outcome of an effect of an instance, by its idempotency key. Error: not_found for a key of no instance of this
/// tenant.
[[nodiscard]] base::Result<SettledEffect> outcome(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                  Workflows workflows, std::string_view key,
                                                  const shard::Outcome& outcome);

/// A timer of the instance is due. No events where it is not (any more).
[[nodiscard]] base::Result<shard::Decision> timer(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                  Workflows workflows, const InstanceId& instance);

/// The same of the timer's owner, which may be the schedule of a workflow. Error: internal for a timer that belongs to
/// nobody.
[[nodiscard]] base::Result<shard::Decision> timer(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                  Workflows workflows, std::string_view owner);

/// The command that a due timer of an instance or a schedule means; `done` is left to the caller. Its error: internal
/// for a timer that belongs to nobody.
[[nodiscard]] shard::Command timer_command(Workflows workflows, const shard::Timer& timer);

/// Which place an event has in its chain that this instance emits now: 1 where nothing has led to the instance; 0 where
/// it begins a chain anew, or is not there.
[[nodiscard]] base::Result<std::uint32_t> event_chain(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                      Workflows workflows, std::string_view instance);

/// The instance that an effect's idempotency key belongs to; nullopt for keys of others.
[[nodiscard]] std::optional<InstanceId> instance_of_effect(const base::TenantId& tenant, std::string_view key);

}  // namespace trv::instance
