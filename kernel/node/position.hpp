#pragma once
// A place in the events of a tenant, as clients see it: a text that means nothing to them. They hand it back to go on
// from there; shards and lsns stay ours.

#include <string>
#include <string_view>

#include "events/record/position.hpp"
#include "events/record/stays.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"

namespace trv::node {

/// 24 hexadecimal digits: a version, the shard, the lsn, and a mark of the tenant. lsn < 2^48, shard < 2^16.
[[nodiscard]] std::string position_text(const base::TenantId& tenant, record::ShardId shard, record::Lsn lsn);

/// The place in the tenant's history that position_text() was made of. Error: invalid for anything that it did not give
/// for this tenant in a shard of `stays`; `name` is that of the parameter or header.
[[nodiscard]] base::Result<record::Lsn> parse_position(std::string_view name, std::string_view text,
                                                       const base::TenantId& tenant, const record::Stays& stays);

}  // namespace trv::node
