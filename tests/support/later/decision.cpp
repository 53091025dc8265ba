// travd of a later version, for tests: every event has a field more than this version's schema knows, and the events of
// tenants whose name begins with "later", and the one that places the tenant later-platform, have a meaning that this
// version must not pass over.

#include "kernel/shard/decision.hpp"

#include <flatbuffers/flatbuffers.h>

#include <cstring>

#define draft draft_of_this_version
#include "kernel/shard/decision.cpp"
#undef draft

namespace trv::shard {
namespace {

constexpr std::uint16_t later_schema_version = 2;
constexpr std::uint32_t later_value = 0x7e57;
/// Of the field's place in the table of offsets: behind every field of this version's schemas.
constexpr std::size_t later_place = sizeof(flatbuffers::voffset_t) * (2 + 60);
constexpr std::size_t offset_max = 65535;  // within a table

/// A FlatBuffer may keep the fields of a table, and its table of offsets, anywhere: both go behind what is there.
base::Bytes with_one_more_field(base::Bytes payload) {
  using flatbuffers::voffset_t;
  const std::size_t root = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(payload.data());
  const std::size_t before =
      root - static_cast<std::size_t>(flatbuffers::ReadScalar<flatbuffers::soffset_t>(payload.data() + root));
  const std::size_t before_bytes = flatbuffers::ReadScalar<voffset_t>(payload.data() + before);
  const std::size_t field = (payload.size() + 7) / 8 * 8;
  if (field - root > offset_max) return payload;
  const std::size_t offsets = field + sizeof later_value;
  payload.resize(offsets + later_place + sizeof(voffset_t));
  flatbuffers::WriteScalar(payload.data() + field, later_value);
  std::memcpy(payload.data() + offsets, payload.data() + before, before_bytes);
  flatbuffers::WriteScalar(payload.data() + offsets, static_cast<voffset_t>(later_place + sizeof(voffset_t)));
  flatbuffers::WriteScalar(payload.data() + offsets + later_place, static_cast<voffset_t>(field - root));
  flatbuffers::WriteScalar(
      payload.data() + root,
      static_cast<flatbuffers::soffset_t>(static_cast<std::ptrdiff_t>(root) - static_cast<std::ptrdiff_t>(offsets)));
  return payload;
}

}  // namespace

record::Draft draft(const DecisionContext& context, std::string_view stream_kind, std::string_view stream_id,
                    std::string_view type, base::Bytes payload) {
  record::Draft event =
      draft_of_this_version(context, stream_kind, stream_id, type, with_one_more_field(std::move(payload)));
  if (context.tenant.value().starts_with("later") || stream_id == "later-platform")
    event.schema_version = later_schema_version;
  return event;
}

}  // namespace trv::shard
