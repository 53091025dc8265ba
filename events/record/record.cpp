#include "events/record/record.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "events/record/payload.hpp"
#include "events/schema/record_generated.h"
#include "sdk/base/contract.hpp"

namespace trv::record {

using base::BytesView;
using base::ErrorCode;
using base::fail;
using base::Result;
using base::Status;

namespace fb = schema::record;

namespace {

// Size prefix, root offset, identifier and the smallest table with its vtable. The verifier reads the identifier before
// it has looked at the size.
constexpr std::size_t record_bytes_min = 24;

base::Uuid uuid_of(const fb::Id& id) noexcept {
  std::array<std::uint8_t, 16> bytes{};
  std::copy_n(id.bytes()->data(), bytes.size(), bytes.begin());
  return base::Uuid(bytes);
}

fb::Id to_id(const base::Uuid& uuid) noexcept {
  return fb::Id(flatbuffers::span<const std::uint8_t, 16>(uuid.bytes().data(), 16));
}

// What every record has: the verifier allows each field to be absent.
const char* missing_field(const fb::Record& table) noexcept {
  if (table.prev_hash() == nullptr) return "prev_hash";
  if (table.event_id() == nullptr) return "event_id";
  if (text_of(table.tenant()).empty()) return "tenant";
  if (text_of(table.stream_kind()).empty()) return "stream_kind";
  if (text_of(table.stream_id()).empty()) return "stream_id";
  if (text_of(table.type()).empty()) return "type";
  if (text_of(table.actor()).empty()) return "actor";
  if (table.lsn() == 0) return "lsn";
  if (table.epoch() == 0) return "epoch";
  return nullptr;
}

}  // namespace

Result<RecordView> RecordView::over(BytesView stored) {
  TRV_EXPECTS(reinterpret_cast<std::uintptr_t>(stored.data()) % 8 == 0);
  if (stored.size() > record_bytes_max) {
    return fail(ErrorCode::too_large,
                fmt::format("a record of {} bytes; the limit is {}", stored.size(), record_bytes_max));
  }
  if (stored.size() < record_bytes_min) {
    return fail(ErrorCode::corrupt, fmt::format("a record of {} bytes is too short", stored.size()));
  }
  flatbuffers::Verifier::Options limits;
  limits.max_depth = 4;
  limits.max_tables = 4;
  flatbuffers::Verifier verifier(stored.data(), stored.size(), limits);
  if (!fb::VerifySizePrefixedRecordBuffer(verifier)) {
    return fail(ErrorCode::corrupt,
                fmt::format("{} bytes are not a record: the FlatBuffer does not verify", stored.size()));
  }
  const fb::Record& table = *fb::GetSizePrefixedRecord(stored.data());
  if (const char* field = missing_field(table); field != nullptr) {
    return fail(ErrorCode::corrupt, fmt::format("record with lsn {} has no {}", table.lsn(), field));
  }
  if (table.payload_encoding() > fb::PayloadEncoding::MAX) {
    return fail(ErrorCode::corrupt,
                fmt::format("record with lsn {} has payload encoding {}, which this version does not know", table.lsn(),
                            static_cast<int>(table.payload_encoding())));
  }
  const RecordView view(stored, table);
  TRV_ENSURES(view.payload().size() + view.type().size() <= stored.size());
  if (reinterpret_cast<std::uintptr_t>(view.payload().data()) % 8 != 0) {
    return fail(ErrorCode::corrupt,
                fmt::format("the payload of the record with lsn {} is not aligned to 8", table.lsn()));
  }
  return view;
}

RecordView RecordView::of_copy(BytesView stored) noexcept {
  TRV_EXPECTS(reinterpret_cast<std::uintptr_t>(stored.data()) % 8 == 0 && stored.size() >= record_bytes_min);
  return {stored, *fb::GetSizePrefixedRecord(stored.data())};
}

ShardId RecordView::shard() const noexcept {
  return ShardId(table_->shard());
}
Lsn RecordView::lsn() const noexcept {
  return Lsn(table_->lsn());
}
Epoch RecordView::epoch() const noexcept {
  return Epoch(table_->epoch());
}
base::Digest RecordView::prev_hash() const noexcept {
  base::Digest digest{};
  std::copy_n(table_->prev_hash()->bytes()->data(), digest.size(), digest.begin());
  return digest;
}
base::Timestamp RecordView::time() const noexcept {
  return base::Timestamp(table_->time_ns());
}
base::Uuid RecordView::event_id() const noexcept {
  return uuid_of(*table_->event_id());
}
std::string_view RecordView::tenant() const noexcept {
  return text_of(table_->tenant());
}
std::string_view RecordView::stream_kind() const noexcept {
  return text_of(table_->stream_kind());
}
std::string_view RecordView::stream_id() const noexcept {
  return text_of(table_->stream_id());
}
std::string_view RecordView::type() const noexcept {
  return text_of(table_->type());
}
std::uint16_t RecordView::schema_version() const noexcept {
  return table_->schema_version();
}
std::string_view RecordView::actor() const noexcept {
  return text_of(table_->actor());
}
std::optional<base::Uuid> RecordView::causation_id() const noexcept {
  return table_->causation_id() == nullptr ? std::nullopt : std::optional(uuid_of(*table_->causation_id()));
}
std::optional<base::Uuid> RecordView::correlation_id() const noexcept {
  return table_->correlation_id() == nullptr ? std::nullopt : std::optional(uuid_of(*table_->correlation_id()));
}
std::string_view RecordView::traceparent() const noexcept {
  return text_of(table_->traceparent());
}
PayloadEncoding RecordView::payload_encoding() const noexcept {
  return static_cast<PayloadEncoding>(table_->payload_encoding());
}
std::string_view RecordView::key_id() const noexcept {
  return text_of(table_->key_id());
}
BytesView RecordView::payload() const noexcept {
  const auto* payload = table_->payload();
  return payload == nullptr ? BytesView() : BytesView(payload->data(), payload->size());
}
bool RecordView::decision_end() const noexcept {
  return table_->decision_end();
}

Result<Record> Record::decode(BytesView stored) {
  if (stored.size() > record_bytes_max) {
    return fail(ErrorCode::too_large,
                fmt::format("a record of {} bytes; the limit is {}", stored.size(), record_bytes_max));
  }
  AlignedBytes bytes(stored);
  TRV_TRY_ASSIGN(const RecordView view, RecordView::over(bytes.view(0, stored.size())));
  return Record(std::move(bytes), view);
}

struct RecordEncoder::Builder {
  flatbuffers::FlatBufferBuilder fbb{4096};
};

RecordEncoder::RecordEncoder() : builder_(std::make_unique<Builder>()) {
  // One table per buffer: there is no vtable to share.
  builder_->fbb.DedupVtables(false);
}
RecordEncoder::~RecordEncoder() = default;
RecordEncoder::RecordEncoder(RecordEncoder&&) noexcept = default;
RecordEncoder& RecordEncoder::operator=(RecordEncoder&&) noexcept = default;

namespace {

Status check(const Draft& draft) {
  const auto empty = [&](std::string_view field) {
    return fail(ErrorCode::invalid, fmt::format("event of type '{}', stream {}/{}: {} is empty", draft.type,
                                                draft.stream_kind, draft.stream_id, field));
  };
  if (draft.tenant.empty()) return empty("tenant");
  if (draft.stream_kind.empty()) return empty("stream_kind");
  if (draft.stream_id.empty()) return empty("stream_id");
  if (draft.type.empty()) return empty("type");
  if (draft.actor.empty()) return empty("actor");
  // Against a draft whose parts alone exceed the limit, before memory is taken for it.
  const std::size_t parts = draft.tenant.value().size() + draft.stream_kind.size() + draft.stream_id.size() +
                            draft.type.size() + draft.actor.size() + draft.traceparent.size() + draft.key_id.size() +
                            draft.payload.size();
  if (parts > record_bytes_max) {
    return fail(
        ErrorCode::too_large,
        fmt::format("event of type '{}', stream {}: {} bytes, of which payload {}; a record has at most {} bytes",
                    draft.type.substr(0, 128), draft.stream_kind.substr(0, 128), parts, draft.payload.size(),
                    record_bytes_max));
  }
  return {};
}

}  // namespace

Result<RecordView> RecordEncoder::encode(const Draft& draft, const Place& place) {
  TRV_EXPECTS(place.lsn >= Lsn(1) && place.epoch >= Epoch(1) && place.shard.value() <= UINT32_MAX);
  TRV_TRY(check(draft));

  flatbuffers::FlatBufferBuilder& fbb = builder_->fbb;
  fbb.Clear();
  const auto optional_text = [&](const std::string& text) {
    return text.empty() ? flatbuffers::Offset<flatbuffers::String>() : fbb.CreateString(text);
  };
  fbb.ForceVectorAlignment(draft.payload.size(), 1, 8);
  const auto payload = fbb.CreateVector(draft.payload.data(), draft.payload.size());
  const auto key_id = optional_text(draft.key_id);
  const auto traceparent = optional_text(draft.traceparent);
  const auto actor = fbb.CreateString(draft.actor);
  const auto type = fbb.CreateString(draft.type);
  const auto stream_id = fbb.CreateString(draft.stream_id);
  const auto stream_kind = fbb.CreateString(draft.stream_kind);
  const auto tenant = fbb.CreateString(draft.tenant.value());
  const fb::Hash prev_hash(flatbuffers::span<const std::uint8_t, 32>(place.prev_hash.data(), 32));
  const fb::Id event_id = to_id(draft.event_id);
  const fb::Id causation_id = draft.causation_id ? to_id(*draft.causation_id) : fb::Id();
  const fb::Id correlation_id = draft.correlation_id ? to_id(*draft.correlation_id) : fb::Id();

  fb::RecordBuilder record(fbb);
  record.add_lsn(place.lsn.value());
  record.add_epoch(place.epoch.value());
  record.add_time_ns(draft.time.ns());
  record.add_shard(static_cast<std::uint32_t>(place.shard.value()));
  record.add_prev_hash(&prev_hash);
  record.add_event_id(&event_id);
  if (draft.causation_id) record.add_causation_id(&causation_id);
  if (draft.correlation_id) record.add_correlation_id(&correlation_id);
  record.add_tenant(tenant);
  record.add_stream_kind(stream_kind);
  record.add_stream_id(stream_id);
  record.add_type(type);
  record.add_actor(actor);
  record.add_traceparent(traceparent);
  record.add_key_id(key_id);
  record.add_payload(payload);
  record.add_schema_version(draft.schema_version);
  record.add_payload_encoding(static_cast<fb::PayloadEncoding>(draft.payload_encoding));
  record.add_decision_end(draft.decision_end);
  fb::FinishSizePrefixedRecordBuffer(fbb, record.Finish());

  const BytesView stored(fbb.GetBufferPointer(), fbb.GetSize());
  if (stored.size() > record_bytes_max) {
    return fail(
        ErrorCode::too_large,
        fmt::format("event of type '{}', stream {}: {} bytes, of which payload {}; a record has at most {} bytes",
                    draft.type.substr(0, 128), draft.stream_kind.substr(0, 128), stored.size(), draft.payload.size(),
                    record_bytes_max));
  }
  const RecordView view(stored, *fb::GetSizePrefixedRecord(stored.data()));
  TRV_ENSURES(view.lsn() == place.lsn && view.epoch() == place.epoch && view.shard() == place.shard);
  TRV_ENSURES(reinterpret_cast<std::uintptr_t>(stored.data()) % 8 == 0);
  TRV_ENSURES(reinterpret_cast<std::uintptr_t>(view.payload().data()) % 8 == 0);
  return view;
}

}  // namespace trv::record
