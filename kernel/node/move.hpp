#pragma once
// The steps of a tenant's move that are decided in the shard that it leaves and in the one to which it goes. Each is
// decided from what the records before say, so that it is made once however often it is asked for. The whole of it:
// docs/decisions/0060.

#include <optional>

#include "kernel/node/shard_stores.hpp"
#include "kernel/shard/decision.hpp"
#include "kernel/tenancy/model.hpp"

namespace trv::node {

/// Whether this move has left the tenant so in a shard.
[[nodiscard]] bool is_of(const std::optional<shard::Residency>& residency, shard::Presence presence,
                         const tenancy::Move& move);

/// In the shard that the tenant leaves, while none of its effects is under way: parks effects that wait, so many that
/// one decision takes them; where none is left, the tenant departs. No events where it has departed.
[[nodiscard]] base::Result<shard::Decision> depart(const ShardStores& stores, const lmdb::Txn& state,
                                                   const shard::DecisionContext& context, const tenancy::Move& move);

/// Rows of a tenant that has departed, as the projection of the shard that it left has them.
struct Luggage {
  shard::CopyMark behind;  ///< the rows come behind this one
  std::vector<shard::RowsPart> parts;
  std::optional<record::Stays> last;  ///< no more rows come: where the tenant was before
};
/// The next rows behind those that have arrived. nullopt: there is nothing to copy now. `departed` and `arriving` are
/// transactions of the projections of the two shards, which this node has; `from` is the one that the tenant leaves.
[[nodiscard]] base::Result<std::optional<Luggage>> next_luggage(const ShardStores& from, const lmdb::Txn& departed,
                                                                const ShardStores& to, const lmdb::Txn& arriving,
                                                                const tenancy::Move& move);
/// In the shard to which the tenant goes: takes the rows, and with the last of them the tenant has arrived. No events
/// where other rows are next.
[[nodiscard]] base::Result<shard::Decision> arrive(const ShardStores& stores, const lmdb::Txn& state,
                                                   const shard::DecisionContext& context, const tenancy::Move& move,
                                                   const Luggage& luggage);

/// In the shard where the tenant has arrived: releases effects that were parked for the move, so many that one decision
/// takes them. No events: there are none.
[[nodiscard]] base::Result<shard::Decision> release_parked(const ShardStores& stores, const lmdb::Txn& state,
                                                           const shard::DecisionContext& context,
                                                           const tenancy::Move& move);

/// Whether release_parked() is not done, as the state shows it.
[[nodiscard]] base::Result<bool> has_parked_for_move(const ShardStores& stores, const lmdb::Txn& state,
                                                     const tenancy::Move& move);

/// In the shard that the tenant has left, once requests go to the other: erases rows, so many that it does not take
/// long. No events where none are left.
[[nodiscard]] base::Result<shard::Decision> erase_rows(const ShardStores& stores, const lmdb::Txn& state,
                                                       const shard::DecisionContext& context,
                                                       const tenancy::Move& move);

}  // namespace trv::node
