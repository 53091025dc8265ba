#pragma once
// Whether a state and a log belong together. Private to catch-up and restoring.

#include <string>

#include "events/log/event_log.hpp"
#include "events/projection/applied.hpp"
#include "sdk/base/result.hpp"

namespace trv::projection {

/// Why a state that is applied so far cannot go on with the log, whose last record is `last`: it is ahead of the log,
/// was made from another one, or lacks records that were trimmed. Empty where it can. Errors: of the log.
[[nodiscard]] base::Result<std::string> disagreement(log::EventLog& log, record::ShardId shard, const Applied& applied,
                                                     record::Lsn last);

}  // namespace trv::projection
