#pragma once
// What this version may apply. Types that begin with "trv." are the kernel's own; all others are left to those who know
// them.

#include "events/record/record.hpp"
#include "sdk/base/result.hpp"

namespace trv::projection {

/// The version of an event type's meaning that this build writes and applies: a later one has something that may not be
/// passed over. Fields that may be are added without it.
inline constexpr std::uint16_t schema_version_known = 1;

/// Error: invalid where a later version of travd wrote the record, with a type or a schema version that this one does
/// not know. A state without it would be another than that of the record's writer. Any thread.
[[nodiscard]] base::Status refuse_unless_known(const record::RecordView& record);

}  // namespace trv::projection
