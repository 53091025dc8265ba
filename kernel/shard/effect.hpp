#pragma once
// Effects are data: work that a decision asks the world to do, and what came back.

#include <flatbuffers/flatbuffers.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "events/record/position.hpp"
#include "events/record/record.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::schema::workflow {
struct Continuation;
struct TaskCompleted;
struct TaskFaulted;
}  // namespace trv::schema::workflow

namespace trv::shard {

struct DecisionContext;

/// What the types of all events about effects begin with.
inline constexpr std::string_view effect_types = "trv.effect.";
inline constexpr std::string_view effect_requested_type = "trv.effect.requested";
inline constexpr std::string_view effect_succeeded_type = "trv.effect.succeeded";
inline constexpr std::string_view effect_failed_type = "trv.effect.failed";
inline constexpr std::string_view effect_cancelled_type = "trv.effect.cancelled";
inline constexpr std::string_view effect_parked_type = "trv.effect.parked";
inline constexpr std::string_view effect_released_type = "trv.effect.released";

struct Effect {
  base::TenantId tenant;
  std::string key;          ///< idempotency key; the same over every retry and restart
  std::string stream_kind;  ///< kind and id of the stream that waits for the outcome, for example an instance's
  std::string owner;        ///< at most 128 bytes
  std::string task;         ///< JSON pointer of the task
  std::uint32_t attempt = 1;
  bool is_tried_once = false;  ///< who asks for it repeats it himself
  std::string kind;            ///< "plugin", "http" or "event"
  std::string plugin;
  std::string version;
  std::string operation;
  std::string connection;
  std::string input;         ///< JSON
  base::Duration timeout{};  ///< from `requested`, over restarts too; 0 = none
  std::string traceparent;
  base::Timestamp requested;  ///< or released
  record::Lsn position{};     ///< its place in the outbox: the record that put it there
};

/// How an effect that waits for its outcome is found in the outbox.
struct EffectPlace {
  std::string key;
  record::Lsn position{};  ///< 0: it is parked
};

/// What decisions changed in the outbox, in the order of their records; without outcomes.
struct EffectChanges {
  std::vector<Effect> requested;
  std::vector<record::Lsn> cancelled;  ///< positions
};

/// What came back. `ok` says which of the two halves holds.
struct Outcome {
  bool ok = false;
  std::string output;        ///< JSON
  std::string code;          ///< as base::to_string(ErrorCode)
  std::uint32_t status = 0;  ///< HTTP status of the service; 0 = none
  std::string message;
  std::string detail;  ///< JSON object, or empty
  std::uint32_t tries = 1;
  base::Duration duration{};
};

/// Names an effect within its tenant: 32 hexadecimal digits, from its key.
[[nodiscard]] std::string effect_id(std::string_view key);

/// What an event about an effect says of the task that waits, written into the event's payload. Empty: nothing.
template <typename Table>
using Part = std::function<flatbuffers::Offset<Table>(flatbuffers::FlatBufferBuilder&)>;
struct RequestingTask {
  std::uint32_t index = 0;
  Part<schema::workflow::Continuation> continuation;
};
/// `completed` of an outcome that is ok, `faulted` of another.
struct SettledTask {
  Part<schema::workflow::TaskCompleted> completed;
  bool output_is_tasks = false;  ///< the outcome's output is the task's too
  Part<schema::workflow::TaskFaulted> faulted;
};

/// The event that puts the effect into the outbox.
[[nodiscard]] record::Draft effect_requested(const DecisionContext& context, const Effect& effect,
                                             const RequestingTask& task = {});
/// Each of these takes it out of the outbox; it stays known as parked until effect_released() puts it back.
[[nodiscard]] record::Draft effect_settled(const DecisionContext& context, std::string_view stream_kind,
                                           std::string_view stream_id, const EffectPlace& place, const Outcome& outcome,
                                           const SettledTask& task = {});
[[nodiscard]] record::Draft effect_cancelled(const DecisionContext& context, std::string_view stream_kind,
                                             std::string_view stream_id, const EffectPlace& place);
/// `deaths` = 0: its tenant moves to another shard.
[[nodiscard]] record::Draft effect_parked(const DecisionContext& context, const Effect& effect, std::uint32_t deaths);
[[nodiscard]] record::Draft effect_released(const DecisionContext& context, const Effect& effect);

}  // namespace trv::shard
