#include "kernel/shard/effect.hpp"

#include "events/record/payload.hpp"
#include "events/schema/effect_generated.h"
#include "sdk/base/contract.hpp"

namespace trv::shard {

record::Draft effect_requested(const DecisionContext& context, std::string_view stream_kind, const Effect& effect) {
  TRV_EXPECTS(!effect.key.empty() && !effect.owner.empty());
  TRV_EXPECTS(effect.attempt >= 1 && effect.timeout >= base::Duration::zero());
  flatbuffers::FlatBufferBuilder builder(512 + effect.input.size());
  const auto text = [&builder](const std::string& value) { return builder.CreateString(value); };
  const auto root = schema::effect::CreateEffectRequested(
      builder, text(effect.key), text(effect.owner), text(effect.task), effect.attempt, text(effect.kind),
      text(effect.plugin), text(effect.version), text(effect.operation), text(effect.connection), text(effect.input),
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(effect.timeout).count()));
  return draft(context, stream_kind, effect.owner, effect_requested_type, record::finish(builder, root));
}

record::Draft effect_settled(const DecisionContext& context, std::string_view stream_kind, std::string_view stream_id,
                             std::string_view key, const Outcome& outcome) {
  TRV_EXPECTS(!key.empty() && outcome.duration >= base::Duration::zero());
  flatbuffers::FlatBufferBuilder builder(256 + outcome.output.size());
  const auto key_text = builder.CreateString(key);
  if (outcome.ok) {
    const auto output = builder.CreateString(outcome.output);
    const auto root =
        schema::effect::CreateEffectSucceeded(builder, key_text, output, outcome.tries, outcome.duration.count());
    return draft(context, stream_kind, stream_id, effect_succeeded_type, record::finish(builder, root));
  }
  const auto code = builder.CreateString(outcome.code);
  const auto message = builder.CreateString(outcome.message);
  const auto detail = builder.CreateString(outcome.detail);
  const auto root = schema::effect::CreateEffectFailed(builder, key_text, code, outcome.status, message, detail,
                                                       outcome.tries, outcome.duration.count());
  return draft(context, stream_kind, stream_id, effect_failed_type, record::finish(builder, root));
}

}  // namespace trv::shard
