// Hostile bytes into everything that reads log entries. What decodes must be consistent with what peek says. A
// claim takes the void rule back to the end of a decision.

#include <cstddef>
#include <cstdint>

#include "events/record/chain.hpp"
#include "events/record/entry.hpp"
#include "events/record/record.hpp"
#include "sdk/base/contract.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trv;  // NOLINT(google-build-using-namespace)
  const base::BytesView bytes(data, size);
  const auto head = record::peek(bytes);
  if (const auto claim = record::decode_claim(bytes)) {
    TRV_ASSERT(head.has_value() && head->kind == record::EntryKind::claim && head->epoch == claim->epoch);
  }
  const auto record = record::Record::decode(bytes);
  if (!record) return 0;
  const record::RecordView& view = record->view();
  TRV_ASSERT(head.has_value() && head->kind == record::EntryKind::record);
  TRV_ASSERT(head->lsn == view.lsn() && head->epoch == view.epoch() && head->shard == view.shard());
  TRV_ASSERT(head->decision_end == view.decision_end());

  if (head->epoch < record::Epoch(UINT64_MAX) && head->lsn < record::Lsn(UINT64_MAX)) {
    record::VoidRule rule(head->shard, head->epoch, head->lsn);
    TRV_ASSERT(rule.judge(*head).has_value() && (rule.next_decision() == rule.next()) == head->decision_end);
    const record::EntryHead later{.kind = record::EntryKind::claim,
                                  .shard = head->shard,
                                  .epoch = record::Epoch(UINT64_MAX),
                                  .lsn = {},
                                  .decision_end = false};
    TRV_ASSERT(rule.judge(later).has_value() && rule.next() == rule.next_decision());
  }

  // Whatever was read can be written again and reads the same.
  record::Draft draft;
  draft.tenant = base::TenantId(view.tenant());
  draft.stream_kind = view.stream_kind();
  draft.stream_id = view.stream_id();
  draft.type = view.type();
  draft.schema_version = view.schema_version();
  draft.actor = view.actor();
  draft.event_id = view.event_id();
  draft.time = view.time();
  draft.causation_id = view.causation_id();
  draft.correlation_id = view.correlation_id();
  draft.traceparent = view.traceparent();
  draft.key_id = view.key_id();
  draft.payload.assign(view.payload().begin(), view.payload().end());
  draft.decision_end = view.decision_end();
  record::RecordEncoder encoder;
  const auto again = encoder.encode(
      draft, {.shard = view.shard(), .lsn = view.lsn(), .epoch = view.epoch(), .prev_hash = view.prev_hash()});
  if (again) TRV_ASSERT(record::RecordView::over(again->stored()).has_value());
  return 0;
}
