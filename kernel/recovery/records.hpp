#pragma once
// Reads records out of the objects of a target.

#include <functional>

#include "events/record/record.hpp"
#include "kernel/recovery/target.hpp"

namespace trv::recovery {

enum class Read { go_on, stop };
/// `record` is valid during the call.
using TakeRecord = std::function<base::Result<Read>(const record::RecordView& record)>;

/// Gives the records of an object in order, until `take` stops. Errors: corrupt, with the place, where the object is
/// not what was backed up or has other records than the entry says; those of `take` and of the target.
[[nodiscard]] base::Result<Read> read_records(Target& target, const RecordsEntry& entry, const TakeRecord& take);

}  // namespace trv::recovery
