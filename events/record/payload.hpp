#pragma once
// Payloads: an event type's own FlatBuffer, as a decision writes it and a projector reads it. Any thread.

#include <flatbuffers/flatbuffers.h>

#include <algorithm>
#include <string_view>

#include "events/record/record.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"

namespace trv::record {

/// This thread's, empty; it keeps its memory from one payload to the next.
[[nodiscard]] flatbuffers::FlatBufferBuilder& payload_builder();

/// Finishes the builder with `root` and copies what it holds: the payload of a draft. The builder is used up.
template <typename Table>
[[nodiscard]] base::Bytes finish(flatbuffers::FlatBufferBuilder& builder, flatbuffers::Offset<Table> root) {
  TRV_EXPECTS(!root.IsNull());
  builder.Finish(root);
  base::Bytes payload(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
  TRV_ENSURES(payload.size() > sizeof(flatbuffers::uoffset_t));
  return payload;
}

/// Error: corrupt, naming the event's type and lsn.
[[nodiscard]] base::Error unreadable_payload(const RecordView& event);

/// The event's payload as its table, verified; borrowed from the event. Every field may still be absent.
/// Error: corrupt.
template <typename Table>
[[nodiscard]] base::Result<const Table*> payload_of(const RecordView& event) {
  const base::BytesView payload = event.payload();
  flatbuffers::Verifier verifier(payload.data(), payload.size());
  if (!verifier.VerifyBuffer<Table>(nullptr)) return base::fail(unreadable_payload(event));
  return flatbuffers::GetRoot<Table>(payload.data());
}

/// Empty where the field is absent; borrowed.
[[nodiscard]] inline std::string_view text_of(const flatbuffers::String* text) noexcept {
  return text == nullptr ? std::string_view() : std::string_view(text->c_str(), text->size());
}

/// Zeros where the field is absent or of another size.
[[nodiscard]] inline base::Digest digest_of(const flatbuffers::Vector<std::uint8_t>* bytes) noexcept {
  base::Digest digest{};
  if (bytes != nullptr && bytes->size() == digest.size()) std::copy_n(bytes->data(), digest.size(), digest.begin());
  return digest;
}

}  // namespace trv::record
