#include "kernel/ingest/ingest_store.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "events/record/payload.hpp"
#include "events/schema/ingest_generated.h"
#include "sdk/base/contract.hpp"

namespace trv::ingest {
namespace {

using base::ErrorCode;
using base::fail;

constexpr std::string_view received_type = "trv.event.received";

// tenant ‖ 0 ‖ the first 16 bytes of SHA-256(source ‖ 0 ‖ id)
std::string row_key(std::string_view tenant, std::string_view source, std::string_view id) {
  TRV_EXPECTS(!tenant.empty());
  const base::Digest digest =
      base::sha256({base::as_bytes(source), base::as_bytes(std::string_view("\0", 1)), base::as_bytes(id)});
  std::string key(tenant);
  key += '\0';
  key.append(reinterpret_cast<const char*>(digest.data()), 16);
  return key;
}

base::Status check_attribute(std::string_view name, std::string_view value, bool may_be_empty) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if ((value.empty() && !may_be_empty) || value.size() > 1024 || std::ranges::any_of(value, control)) {
    return fail(ErrorCode::invalid,
                fmt::format("event attribute '{}' must be {} to 1024 bytes without control characters", name,
                            may_be_empty ? 0 : 1));
  }
  return {};
}

}  // namespace

base::Status IngestStore::open(lmdb::WriteTxn& txn) {
  TRV_TRY_ASSIGN(taken_, txn.create_table("ingest_taken"));
  return {};
}

base::Status IngestStore::apply(lmdb::WriteTxn& txn, const record::RecordView& event) {
  if (event.type() != received_type) return {};
  TRV_TRY_ASSIGN(const auto* taken, record::payload_of<schema::ingest::EventReceived>(event));
  const std::string key = row_key(event.tenant(), record::text_of(taken->source()), record::text_of(taken->id()));
  return taken_.put(txn, key, event.event_id().bytes());
}

base::Result<std::optional<base::Uuid>> IngestStore::taken(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                           std::string_view source, std::string_view id) const {
  TRV_TRY_ASSIGN(const auto row, taken_.get(txn, row_key(tenant.value(), source, id)));
  if (!row) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  if (row->size() != bytes.size()) return fail(ErrorCode::corrupt, "row of a taken event has a wrong size");
  std::ranges::copy(*row, bytes.begin());
  return base::Uuid(bytes);
}

base::Result<record::Draft> received(const shard::DecisionContext& context, const Received& event) {
  TRV_EXPECTS(!event.channel.empty());
  TRV_TRY(check_attribute("id", event.id, false));
  TRV_TRY(check_attribute("source", event.source, false));
  TRV_TRY(check_attribute("type", event.type, false));
  TRV_TRY(check_attribute("subject", event.subject, true));
  TRV_TRY(check_attribute("datacontenttype", event.datacontenttype, true));
  TRV_TRY(check_attribute("dataschema", event.dataschema, true));
  TRV_EXPECTS(event.data.empty() || event.data_base64.empty());
  flatbuffers::FlatBufferBuilder builder(event.data.size() + event.data_base64.size() + 512);
  using Text = flatbuffers::Offset<flatbuffers::String>;
  // What is not said is absent from the record too.
  const auto text = [&builder](const std::string& value) {
    return value.empty() ? Text() : builder.CreateString(value);
  };
  const auto digest = builder.CreateVector(event.body_sha256.data(), event.body_sha256.size());
  const auto root = schema::ingest::CreateEventReceived(
      builder, text(event.id), text(event.source), text(event.type), text(event.subject),
      event.time ? event.time->ns() : 0, text(event.data), text(event.channel), digest, text(event.datacontenttype),
      text(event.dataschema), text(event.data_base64), text(event.extensions));
  return shard::draft(context, "event", event.id, received_type, record::finish(builder, root));
}

record::Draft refused(const shard::DecisionContext& context, const Refused& event) {
  TRV_EXPECTS(!event.channel.empty() && !event.reason.empty());
  flatbuffers::FlatBufferBuilder builder;
  const auto digest = builder.CreateVector(event.body_sha256.data(), event.body_sha256.size());
  const auto channel = builder.CreateString(event.channel);
  const auto reason = builder.CreateString(event.reason);
  const auto source = builder.CreateString(event.source_address);
  return shard::draft(
      context, "webhook", event.channel, "trv.webhook.refused",
      record::finish(builder, schema::ingest::CreateWebhookRefused(builder, channel, reason, source, digest)));
}

}  // namespace trv::ingest
