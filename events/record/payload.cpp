#include "events/record/payload.hpp"

#include <fmt/format.h>

namespace trv::record {

base::Error unreadable_payload(const RecordView& event) {
  return {base::ErrorCode::corrupt,
          fmt::format("the payload of {} at lsn {} does not fit its schema", event.type(), event.lsn().value())};
}

}  // namespace trv::record
