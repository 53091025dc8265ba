#pragma once
// What counts of a log by the rules of docs/formats/record.md, found from all entries at once.

#include <cstdint>
#include <vector>

#include "events/log/in_memory_event_log.hpp"

namespace trv::simulation {

/// The records of the shard that count, in order. Adds to `torn` the decisions that the log holds only in part.
[[nodiscard]] std::vector<base::Bytes> counting(const log::InMemoryEventLog& log, log::ShardId shard,
                                                std::uint64_t& torn);

}  // namespace trv::simulation
