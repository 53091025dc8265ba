#include "events/record/payload.hpp"

#include <fmt/format.h>

namespace trv::record {

flatbuffers::FlatBufferBuilder& payload_builder() {
  thread_local flatbuffers::FlatBufferBuilder builder(4096);
  builder.Clear();
  return builder;
}

base::Error unreadable_payload(const RecordView& event) {
  return {base::ErrorCode::corrupt,
          fmt::format("the payload of {} at lsn {} does not fit its schema", event.type(), event.lsn().value())};
}

}  // namespace trv::record
