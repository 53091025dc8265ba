#include "kernel/ingest/ingest_store.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "events/record/payload.hpp"
#include "events/schema/ingest_generated.h"
#include "events/schema/tenancy_generated.h"
#include "sdk/base/big_endian.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/text_check.hpp"

namespace trv::ingest {
namespace {

using base::ErrorCode;
using base::fail;

constexpr std::size_t key_bytes = 16;
constexpr std::size_t row_bytes = 24;

std::string scope(std::string_view tenant) {
  TRV_EXPECTS(!tenant.empty());
  std::string key(tenant);
  key += '\0';
  return key;
}

/// The key of a taken event with its time before what follows the tenant.
std::string time_key(std::string_view key, base::BytesView time) {
  TRV_EXPECTS(key.size() > key_bytes && time.size() == 8);
  std::string out(key);
  out.insert(key.size() - key_bytes, base::as_text(time));
  return out;
}

// Within what an id is taken once. None of the texts has a NUL.
struct Sender {
  std::string_view connection;
  std::string_view source;
};

// tenant ‖ 0 ‖ the first 16 bytes of SHA-256("connection" ‖ 0 ‖ connection ‖ 0 ‖ id), or the same with the source
std::string row_key(std::string_view tenant, const Sender& sender, std::string_view id) {
  const base::BytesView zero = base::as_bytes(std::string_view("\0", 1));
  const bool by_webhook = !sender.connection.empty();
  const base::Digest digest =
      base::sha256({base::as_bytes(by_webhook ? "connection" : "source"), zero,
                    base::as_bytes(by_webhook ? sender.connection : sender.source), zero, base::as_bytes(id)});
  std::string key = scope(tenant);
  key.append(reinterpret_cast<const char*>(digest.data()), key_bytes);
  return key;
}

base::Status check_attribute(std::string_view name, std::string_view value, std::size_t characters_min) {
  return base::check_text(fmt::format("event attribute '{}'", name), value,
                          {.characters_min = characters_min, .characters_max = 1024});
}

}  // namespace

base::Status IngestStore::open(lmdb::WriteTxn& txn) {
  TRV_TRY_ASSIGN(taken_, txn.create_table("ingest_taken"));
  TRV_TRY_ASSIGN(by_time_, txn.create_table("ingest_by_time"));
  TRV_TRY_ASSIGN(blobs_, txn.create_table("ingest_blobs"));
  return {};
}

base::Status IngestStore::apply(lmdb::WriteTxn& txn, const record::RecordView& event) {
  if (event.type() == "trv.retention.applied") return forget(txn, event);
  if (event.type() != received_type) return {};
  TRV_TRY_ASSIGN(const auto* taken, record::payload_of<schema::ingest::EventReceived>(event));
  const Sender sender{.connection = record::text_of(taken->connection()), .source = record::text_of(taken->source())};
  const std::string key = row_key(event.tenant(), sender, record::text_of(taken->id()));
  const base::Uuid id = event.event_id();
  base::Bytes row(id.bytes().begin(), id.bytes().end());
  base::append_big_endian(row, static_cast<std::uint64_t>(event.time().ns()));
  TRV_TRY(taken_.put(txn, key, row));
  if (taken->data_sha256() != nullptr)
    TRV_TRY(blobs_.put(txn, base::BytesView(record::digest_of(taken->data_sha256())), {}));
  return by_time_.put(txn, time_key(key, base::BytesView(row).last(8)), {});
}

base::Status IngestStore::forget(lmdb::WriteTxn& txn, const record::RecordView& event) {
  TRV_TRY_ASSIGN(const auto* applied, record::payload_of<schema::tenancy::RetentionApplied>(event));
  if (applied->events() == nullptr) return {};
  for (std::size_t at = 0; at + key_bytes <= applied->events()->size(); at += key_bytes) {
    std::string key = scope(event.tenant());
    key.append(reinterpret_cast<const char*>(applied->events()->data()) + at, key_bytes);
    TRV_TRY_ASSIGN(const auto row, taken_.get(txn, key));
    if (!row || row->size() != row_bytes) continue;
    const std::string by_time = time_key(key, row->last(8));
    TRV_TRY(by_time_.erase(txn, by_time));
    TRV_TRY(taken_.erase(txn, key));
  }
  return {};
}

std::int64_t IngestStore::number_at(base::BytesView key, std::size_t at) {
  return static_cast<std::int64_t>(base::big_endian(key.subspan(at, 8)));
}

base::Result<std::optional<base::Uuid>> IngestStore::taken(const lmdb::Txn& txn, const base::TenantId& tenant,
                                                           const Received& event) const {
  const Sender sender{.connection = event.connection, .source = event.source};
  TRV_TRY_ASSIGN(const auto row, taken_.get(txn, row_key(tenant.value(), sender, event.id)));
  if (!row) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  if (row->size() != row_bytes) return fail(ErrorCode::corrupt, "row of a taken event has a wrong size");
  std::ranges::copy(row->first(bytes.size()), bytes.begin());
  return base::Uuid(bytes);
}

base::Status check_attributes(const Received& event) {
  TRV_TRY(check_attribute("id", event.id, 1));
  TRV_TRY(check_attribute("source", event.source, 1));
  TRV_TRY(check_attribute("type", event.type, 1));
  TRV_TRY(check_attribute("subject", event.subject, 0));
  TRV_TRY(check_attribute("datacontenttype", event.datacontenttype, 0));
  return check_attribute("dataschema", event.dataschema, 0);
}

base::Result<record::Draft> received(const shard::DecisionContext& context, const Received& event) {
  TRV_EXPECTS(!event.channel.empty());
  TRV_TRY(check_attributes(event));
  TRV_EXPECTS(event.data.empty() || event.data_base64.empty());
  TRV_EXPECTS(!event.large || (event.data.empty() && event.data_base64.empty()));
  flatbuffers::FlatBufferBuilder builder(event.data.size() + event.data_base64.size() + 512);
  using Text = flatbuffers::Offset<flatbuffers::String>;
  // What is not said is absent from the record too.
  const auto text = [&builder](const std::string& value) {
    return value.empty() ? Text() : builder.CreateString(value);
  };
  const auto digest = builder.CreateVector(event.body_sha256.data(), event.body_sha256.size());
  using Octets = flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>>;
  const Octets blob =
      event.large ? builder.CreateVector(event.large->sha256.data(), event.large->sha256.size()) : Octets();
  const auto root = schema::ingest::CreateEventReceived(
      builder, text(event.id), text(event.source), text(event.type), text(event.subject),
      event.time ? event.time->ns() : 0, text(event.data), text(event.channel), digest, text(event.datacontenttype),
      text(event.dataschema), text(event.data_base64), text(event.extensions), text(event.connection), blob,
      event.large ? event.large->bytes : 0);
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
