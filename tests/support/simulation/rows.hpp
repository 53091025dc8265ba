#pragma once
// Every row of a shard's state.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "events/lmdb/env.hpp"
#include "events/log/event_log.hpp"

namespace trv::simulation {

inline constexpr std::uint64_t map_bytes = std::uint64_t{1} << 30;

/// Every row: (table, key) and value.
using Rows = std::map<std::pair<std::string, std::string>, std::string>;

/// The rows that the tenant's records alone lead to, applied in a scratch folder. Positions come from the records.
[[nodiscard]] base::Result<Rows> rows_of_tenant(log::EventLog& log, log::ShardId shard, std::string_view tenant,
                                                const std::filesystem::path& scratch);
/// All rows but the projection's own about how far the log is applied.
[[nodiscard]] base::Result<Rows> rows_of(lmdb::ReadTxn txn);

}  // namespace trv::simulation
