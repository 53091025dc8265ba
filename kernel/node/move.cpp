#include "kernel/node/move.hpp"

#include <algorithm>
#include <vector>

#include "events/record/payload.hpp"
#include "events/schema/tenancy_generated.h"
#include "sdk/base/contract.hpp"

namespace trv::node {
namespace {

namespace schema = schema::tenancy;
using base::Result;
using flatbuffers::FlatBufferBuilder;
using shard::Decision;
using shard::Presence;

/// Of effects in one decision.
constexpr std::size_t effects_max = 500;
/// Of copied rows in one decision.
constexpr std::size_t luggage_bytes_max = std::size_t{4} << 20;
/// Of erased rows in one decision.
constexpr std::uint32_t erased_max = 20'000;

record::Draft about_tenant(const shard::DecisionContext& context, std::string_view type, base::Bytes payload) {
  return shard::draft(context, "tenant", context.tenant.value(), type, std::move(payload));
}

record::Draft rows_copied(const shard::DecisionContext& context, const tenancy::Move& move, const shard::RowsPart& part,
                          const std::string& layout) {
  FlatBufferBuilder builder(part.rows.size() + 512);
  const auto table = builder.CreateString(part.table);
  const auto layouts = builder.CreateString(layout);
  const auto rows = builder.CreateVector(reinterpret_cast<const std::uint8_t*>(part.rows.data()), part.rows.size());
  const auto root = schema::CreateRowsCopied(builder, move.number, static_cast<std::uint32_t>(move.from.value()), table,
                                             layouts, rows, part.appends, part.goes_on);
  return about_tenant(context, record::rows_copied_type, record::finish(builder, root));
}

record::Draft arrived(const shard::DecisionContext& context, const tenancy::Move& move, const record::Stays& stays) {
  std::vector<std::uint32_t> shards;
  std::vector<std::uint64_t> firsts;
  std::vector<std::uint64_t> lasts;
  for (const record::Stay& stay : stays.earlier) {
    shards.push_back(static_cast<std::uint32_t>(stay.shard.value()));
    firsts.push_back(stay.first.value());
    lasts.push_back(stay.last.value());
  }
  TRV_EXPECTS(!shards.empty());
  FlatBufferBuilder builder;
  const auto root = schema::CreateTenantArrivedDirect(builder, move.number, &shards, &firsts, &lasts);
  return about_tenant(context, record::arrived_type, record::finish(builder, root));
}

/// The first of them.
Result<std::vector<shard::Effect>> parked_for_move(const ShardStores& stores, const lmdb::Txn& state,
                                                   const tenancy::Move& move, std::size_t count_max) {
  std::vector<shard::Effect> found;
  std::string after;
  for (bool more = true; more && found.size() < count_max;) {
    TRV_TRY_ASSIGN(auto parked, stores.outbox.parked(state, move.tenant, after, effects_max));
    more = parked.size() == effects_max;
    for (shard::ParkedEffect& one : parked) {
      after = one.id;
      // The others were parked because the process died.
      if (one.deaths == 0 && found.size() < count_max) found.push_back(std::move(one.effect));
    }
  }
  return found;
}

}  // namespace

bool is_of(const std::optional<shard::Residency>& residency, Presence presence, const tenancy::Move& move) {
  return residency && residency->presence == presence && residency->move == move.number;
}

Result<Decision> depart(const ShardStores& stores, const lmdb::Txn& state, const shard::DecisionContext& context,
                        const tenancy::Move& move) {
  TRV_EXPECTS(context.tenant == move.tenant);
  TRV_TRY_ASSIGN(const bool is_created, stores.tenancy.is_here(state, move.tenant));
  TRV_TRY_ASSIGN(const auto residency, stores.residence.find(state, move.tenant));
  if (!is_created || (residency && (residency->presence != Presence::here || residency->move >= move.number))) {
    return Decision{};
  }
  TRV_TRY_ASSIGN(const auto waiting, stores.outbox.pending(state, move.tenant, record::Lsn(0), effects_max + 1));
  Decision decision;
  for (std::size_t i = 0; i < std::min(waiting.size(), effects_max); ++i) {
    decision.events.push_back(shard::effect_parked(context, waiting[i], 0));
    decision.cancelled.push_back(waiting[i].position);
  }
  if (waiting.size() > effects_max) return decision;
  FlatBufferBuilder builder;
  const auto root = schema::CreateTenantDeparted(builder, move.number, static_cast<std::uint32_t>(move.to.value()));
  decision.events.push_back(about_tenant(context, record::departed_type, record::finish(builder, root)));
  return decision;
}

Result<std::optional<Luggage>> next_luggage(const ShardStores& from, const lmdb::Txn& departed, const ShardStores& to,
                                            const lmdb::Txn& arriving, const tenancy::Move& move) {
  TRV_TRY_ASSIGN(const auto there, from.residence.find(departed, move.tenant));
  TRV_TRY_ASSIGN(const auto here, to.residence.find(arriving, move.tenant));
  if (!is_of(there, Presence::departed, move) || is_of(here, Presence::here, move)) return std::nullopt;
  Luggage luggage;
  if (is_of(here, Presence::arriving, move)) luggage.behind = here->mark;
  shard::CopyMark mark = luggage.behind;
  TRV_TRY_ASSIGN(luggage.parts, from.residence.rows().read(departed, move.tenant, mark, luggage_bytes_max));
  shard::CopyMark behind = mark;
  TRV_TRY_ASSIGN(const auto more, from.residence.rows().read(departed, move.tenant, behind, 1));
  if (more.empty()) {
    luggage.last = there->stays;
    luggage.last->earlier.push_back({.shard = move.from, .first = there->stays.first, .last = there->last});
  }
  TRV_ENSURES(luggage.last || !luggage.parts.empty());
  return luggage;
}

Result<Decision> arrive(const ShardStores& stores, const lmdb::Txn& state, const shard::DecisionContext& context,
                        const tenancy::Move& move, const Luggage& luggage) {
  TRV_EXPECTS(context.tenant == move.tenant);
  TRV_TRY_ASSIGN(const auto residency, stores.residence.find(state, move.tenant));
  const bool is_begun = is_of(residency, Presence::arriving, move);
  const bool may_begin = !residency || residency->presence == Presence::gone;
  if (!is_begun && !may_begin) return Decision{};
  if (luggage.behind != (is_begun ? residency->mark : shard::CopyMark{})) return Decision{};
  Decision decision;
  for (const shard::RowsPart& part : luggage.parts) {
    decision.events.push_back(rows_copied(context, move, part, stores.residence.layout()));
  }
  if (luggage.last) decision.events.push_back(arrived(context, move, *luggage.last));
  return decision;
}

Result<Decision> release_parked(const ShardStores& stores, const lmdb::Txn& state,
                                const shard::DecisionContext& context, const tenancy::Move& move) {
  TRV_EXPECTS(context.tenant == move.tenant);
  Decision decision;
  TRV_TRY_ASSIGN(const auto residency, stores.residence.find(state, move.tenant));
  if (!is_of(residency, Presence::here, move)) return decision;
  TRV_TRY_ASSIGN(std::vector<shard::Effect> parked, parked_for_move(stores, state, move, effects_max));
  for (shard::Effect& effect : parked) {
    decision.events.push_back(shard::effect_released(context, effect));
    decision.request(std::move(effect));
  }
  return decision;
}

Result<bool> has_parked_for_move(const ShardStores& stores, const lmdb::Txn& state, const tenancy::Move& move) {
  TRV_TRY_ASSIGN(const auto parked, parked_for_move(stores, state, move, 1));
  return !parked.empty();
}

Result<Decision> erase_rows(const ShardStores& stores, const lmdb::Txn& state, const shard::DecisionContext& context,
                            const tenancy::Move& move) {
  TRV_EXPECTS(context.tenant == move.tenant);
  Decision decision;
  TRV_TRY_ASSIGN(const auto residency, stores.residence.find(state, move.tenant));
  if (!is_of(residency, Presence::departed, move)) return decision;
  FlatBufferBuilder builder;
  decision.events.push_back(about_tenant(context, record::rows_erased_type,
                                         record::finish(builder, schema::CreateRowsErased(builder, erased_max))));
  return decision;
}

}  // namespace trv::node
