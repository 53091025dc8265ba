#pragma once
// A planted bug: effects leave with the projection, before the log has them.

#include <functional>
#include <string_view>
#include <utility>

#include "events/projection/projector.hpp"
#include "events/record/payload.hpp"
#include "events/schema/effect_generated.h"
#include "kernel/shard/effect.hpp"

namespace trv::simulation {

/// Keeps nothing and gives every effect away when it is projected.
class HastyProjector final : public projection::Projector {
 public:
  explicit HastyProjector(std::function<void(shard::Effect)> give) : give_(std::move(give)) {}
  std::string_view name() const override { return "hasty"; }
  std::uint32_t layout_version() const override { return 1; }
  base::Status open(lmdb::WriteTxn&) override { return {}; }
  base::Status apply(lmdb::WriteTxn&, const record::RecordView& event) override {
    if (event.type() != shard::effect_requested_type) return {};
    TRV_TRY_ASSIGN(const auto* requested, record::payload_of<schema::effect::EffectRequested>(event));
    shard::Effect effect;
    effect.tenant = base::TenantId(event.tenant());
    effect.key = record::text_of(requested->key());
    effect.position = event.lsn();
    if (give_) give_(std::move(effect));
    return {};
  }

 private:
  std::function<void(shard::Effect)> give_;
};

}  // namespace trv::simulation
