#pragma once
// The audit entry of a record. Format: docs/formats/audit.md. Pure; any thread.
//
// An entry holds who, what, on what, when and how it ended, and the digests of the payload and of the whole record as
// stored: it proves the record without disclosing it. The format is for ever: every entry is hashed into a tree.

#include <string>

#include "events/record/record.hpp"
#include "sdk/base/bytes.hpp"

namespace trv::trail {

/// One compact JSON object with a fixed order of keys; the same record gives the same bytes. At most 65,535 of them.
[[nodiscard]] base::Bytes entry_of(const record::RecordView& record);

/// Appends those bytes.
void append_entry_of(std::string& out, const record::RecordView& record);

}  // namespace trv::trail
