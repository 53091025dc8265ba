#pragma once
// Drafts for tests.

#include <string>

#include "events/record/record.hpp"

namespace trv::record {

/// A plausible event whose content depends on `number` only.
[[nodiscard]] inline Draft example_draft(std::uint64_t number, std::size_t payload_bytes = 64) {
  Draft draft;
  draft.tenant = base::TenantId("acme");
  draft.stream_kind = "instance";
  draft.stream_id = "i" + std::to_string(number);
  draft.type = "trv.example.happened";
  draft.actor = "kernel";
  std::array<std::uint8_t, 16> id{};
  for (std::size_t i = 0; i < 8; ++i) id[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
  draft.event_id = base::Uuid(id);
  draft.time = base::Timestamp(static_cast<std::int64_t>(1'700'000'000'000'000'000 + number));
  draft.payload = base::Bytes(payload_bytes, static_cast<std::uint8_t>(number));
  draft.decision_end = true;
  return draft;
}

}  // namespace trv::record
