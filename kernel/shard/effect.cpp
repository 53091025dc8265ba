#include "kernel/shard/effect.hpp"

#include "events/record/payload.hpp"
#include "events/schema/effect_generated.h"
#include "kernel/shard/decision.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"

namespace trv::shard {
namespace {

constexpr std::size_t owner_bytes_max = 128;

template <typename Table>
flatbuffers::Offset<Table> written(flatbuffers::FlatBufferBuilder& builder, const Part<Table>& part) {
  return part ? part(builder) : flatbuffers::Offset<Table>();
}

}  // namespace

std::string effect_id(std::string_view key) {
  const base::Digest digest = base::sha256(base::as_bytes(key));
  return base::to_hex(base::BytesView(digest).first(16));
}

record::Draft effect_requested(const DecisionContext& context, const Effect& effect, const RequestingTask& task) {
  TRV_EXPECTS(!effect.key.empty() && !effect.stream_kind.empty());
  TRV_EXPECTS(!effect.owner.empty() && effect.owner.size() <= owner_bytes_max);
  TRV_EXPECTS(effect.attempt >= 1 && effect.timeout >= base::Duration::zero());
  flatbuffers::FlatBufferBuilder& builder = record::payload_builder();
  const auto text = [&builder](std::string_view value) {
    return value.empty() ? flatbuffers::Offset<flatbuffers::String>() : builder.CreateString(value);
  };
  const auto continuation = written(builder, task.continuation);
  const auto root = schema::effect::CreateEffectRequested(
      builder, text(effect.key), text(effect.task), effect.attempt, text(effect.kind), text(effect.plugin),
      text(effect.version), text(effect.operation), text(effect.connection), text(effect.input),
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(effect.timeout).count()),
      task.index, continuation, effect.is_tried_once);
  return draft(context, effect.stream_kind, effect.owner, effect_requested_type, record::finish(builder, root));
}

record::Draft effect_settled(const DecisionContext& context, std::string_view stream_kind, std::string_view stream_id,
                             const EffectPlace& place, const Outcome& outcome, const SettledTask& task) {
  TRV_EXPECTS(!place.key.empty() && outcome.duration >= base::Duration::zero());
  TRV_EXPECTS(outcome.ok ? !task.faulted : !task.completed);
  flatbuffers::FlatBufferBuilder& builder = record::payload_builder();
  const auto key = builder.CreateString(place.key);
  if (outcome.ok) {
    const auto output = builder.CreateString(outcome.output);
    const auto completed = written(builder, task.completed);
    const auto root =
        schema::effect::CreateEffectSucceeded(builder, key, output, outcome.tries, outcome.duration.count(), completed,
                                              task.output_is_tasks, place.position.value(), outcome.status);
    return draft(context, stream_kind, stream_id, effect_succeeded_type, record::finish(builder, root));
  }
  const auto code = builder.CreateString(outcome.code);
  const auto message = builder.CreateString(outcome.message);
  const auto detail = builder.CreateString(outcome.detail);
  const auto faulted = written(builder, task.faulted);
  const auto root =
      schema::effect::CreateEffectFailed(builder, key, code, outcome.status, message, detail, outcome.tries,
                                         outcome.duration.count(), faulted, place.position.value());
  return draft(context, stream_kind, stream_id, effect_failed_type, record::finish(builder, root));
}

record::Draft effect_cancelled(const DecisionContext& context, std::string_view stream_kind, std::string_view stream_id,
                               const EffectPlace& place) {
  flatbuffers::FlatBufferBuilder& builder = record::payload_builder();
  const auto key = builder.CreateString(place.key);
  const auto root = schema::effect::CreateEffectCancelled(builder, key, place.position.value());
  return draft(context, stream_kind, stream_id, effect_cancelled_type, record::finish(builder, root));
}

record::Draft effect_parked(const DecisionContext& context, const Effect& effect, std::uint32_t deaths) {
  TRV_EXPECTS(effect.position.value() > 0);
  flatbuffers::FlatBufferBuilder& builder = record::payload_builder();
  const auto text = [&builder](const std::string& value) { return builder.CreateString(value); };
  const auto root =
      schema::effect::CreateEffectParked(builder, text(effect.key), text(effect.plugin), text(effect.version),
                                         text(effect.operation), deaths, text(effect.task), effect.position.value());
  return draft(context, effect.stream_kind, effect.owner, effect_parked_type, record::finish(builder, root));
}

record::Draft effect_released(const DecisionContext& context, const Effect& effect) {
  flatbuffers::FlatBufferBuilder& builder = record::payload_builder();
  const auto key = builder.CreateString(effect.key);
  const auto task = builder.CreateString(effect.task);
  return draft(context, effect.stream_kind, effect.owner, effect_released_type,
               record::finish(builder, schema::effect::CreateEffectReleased(builder, key, task)));
}

}  // namespace trv::shard
