#include "kernel/shard/effect.hpp"

#include <flatbuffers/flatbuffers.h>

#include "events/schema/effect_generated.h"

namespace trv::shard {
namespace {

base::Bytes finished(const flatbuffers::FlatBufferBuilder& builder) {
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

}  // namespace

record::Draft effect_requested(const DecisionContext& context, std::string_view stream_kind, const Effect& effect) {
  flatbuffers::FlatBufferBuilder builder(512 + effect.input.size());
  const auto text = [&builder](const std::string& value) { return builder.CreateString(value); };
  const auto root = schema::effect::CreateEffectRequested(
      builder, text(effect.key), text(effect.owner), text(effect.task), effect.attempt, text(effect.kind),
      text(effect.plugin), text(effect.version), text(effect.operation), text(effect.connection), text(effect.input),
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(effect.timeout).count()));
  builder.Finish(root);
  return draft(context, stream_kind, effect.owner, effect_requested_type, finished(builder));
}

record::Draft effect_settled(const DecisionContext& context, std::string_view stream_kind, std::string_view stream_id,
                             std::string_view key, const Outcome& outcome) {
  flatbuffers::FlatBufferBuilder builder(256 + outcome.output.size());
  const auto key_text = builder.CreateString(key);
  if (outcome.ok) {
    const auto output = builder.CreateString(outcome.output);
    builder.Finish(
        schema::effect::CreateEffectSucceeded(builder, key_text, output, outcome.tries, outcome.duration.count()));
    return draft(context, stream_kind, stream_id, effect_succeeded_type, finished(builder));
  }
  const auto code = builder.CreateString(outcome.code);
  const auto message = builder.CreateString(outcome.message);
  const auto detail = builder.CreateString(outcome.detail);
  builder.Finish(schema::effect::CreateEffectFailed(builder, key_text, code, outcome.status, message, detail,
                                                    outcome.tries, outcome.duration.count()));
  return draft(context, stream_kind, stream_id, effect_failed_type, finished(builder));
}

}  // namespace trv::shard
