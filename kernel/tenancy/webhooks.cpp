#include <fmt/format.h>

#include "events/record/payload.hpp"
#include "events/schema/tenancy_generated.h"
#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/delivery_proof.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/text_check.hpp"

namespace trv::tenancy {
namespace {

using base::ErrorCode;
using base::fail;

constexpr std::size_t header_name_bytes_max = 100;

Decision one(record::Draft event) {
  Decision decision;
  decision.events.push_back(std::move(event));
  return decision;
}

base::Status check_header(std::string_view field, std::string_view name) {
  if (name.size() <= header_name_bytes_max && base::is_token(name)) return {};
  return fail(ErrorCode::invalid, fmt::format("{} '{}' is not the name of a header; expected 1 to {} of A-Z, a-z, 0-9 "
                                              "and -",
                                              field, name, header_name_bytes_max));
}

base::Status check_signature(const Webhook& webhook) {
  if (webhook.secret.empty()) {
    return fail(ErrorCode::invalid, "verification.scheme hmac-sha256 needs a secret, with which the sender signs");
  }
  TRV_TRY(check_header("verification.header", webhook.header));
  TRV_TRY(base::check_text("verification.prefix", webhook.prefix, {.characters_min = 0, .characters_max = 40}));
  if (webhook.encoding != "hex" && webhook.encoding != "base64") {
    return fail(ErrorCode::invalid,
                fmt::format("verification.encoding '{}' is not known; use hex or base64", webhook.encoding));
  }
  if (webhook.secret_encoding != "text" && webhook.secret_encoding != "base64") {
    return fail(ErrorCode::invalid, fmt::format("verification.secret_encoding '{}' is not known; use text or base64",
                                                webhook.secret_encoding));
  }
  TRV_TRY(base::check_signed_text("verification.signed", webhook.signed_text));
  if (!base::signs_time(webhook.signed_text)) return {};
  TRV_TRY(check_header("verification.timestamp_header", webhook.timestamp_header));
  if (webhook.tolerance_s >= 1 && webhook.tolerance_s <= base::delivery_tolerance_s_max) return {};
  return fail(ErrorCode::invalid, fmt::format("verification.tolerance_s is {}; expected 1 to {} (a day)",
                                              webhook.tolerance_s, base::delivery_tolerance_s_max));
}

}  // namespace

Result<Decision> decide(const TenancyStore&, const lmdb::Txn&, DecisionContext& context,
                        const DeclareWebhook& command) {
  const Webhook& webhook = command.webhook;
  TRV_TRY(base::check_label("webhook name", webhook.name));
  TRV_TRY(base::check_text("type", webhook.type, {.characters_max = 200}));
  TRV_TRY(base::check_text("source", webhook.source, {.characters_min = 0, .characters_max = 1000}));
  TRV_TRY(check_header("id_header", webhook.id_header));
  const bool is_signed = webhook.proof == DeliveryProof::hmac_sha256;
  if (is_signed) TRV_TRY(check_signature(webhook));
  TRV_EXPECTS(is_signed || webhook.token_sha256 != base::Digest{});
  flatbuffers::FlatBufferBuilder builder;
  using Text = flatbuffers::Offset<flatbuffers::String>;
  // What is not said is absent from the record too.
  const auto text = [&builder](std::string_view value) { return value.empty() ? Text() : builder.CreateString(value); };
  using Octets = flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>>;
  const Octets token =
      is_signed ? Octets() : builder.CreateVector(webhook.token_sha256.data(), webhook.token_sha256.size());
  const auto root = schema::tenancy::CreateWebhookDeclared(
      builder, text(webhook.name), text(webhook.type), text(webhook.source), text(to_string(webhook.proof)),
      text(webhook.secret), text(webhook.header), text(webhook.prefix), text(webhook.encoding),
      text(webhook.signed_text), text(webhook.timestamp_header), webhook.tolerance_s, token, text(webhook.id_header),
      webhook.secret_encoding == "text" ? Text() : text(webhook.secret_encoding));
  return one(shard::draft(context, "webhook", webhook.name, "trv.webhook.declared", record::finish(builder, root)));
}

Result<Decision> decide(const TenancyStore& store, const lmdb::Txn& state, DecisionContext& context,
                        const RemoveWebhook& command) {
  TRV_TRY_ASSIGN(const auto existing, store.webhook(state, context.tenant, command.name));
  if (!existing) return fail(ErrorCode::not_found, fmt::format("webhook '{}' not found", command.name));
  flatbuffers::FlatBufferBuilder builder;
  const auto name = builder.CreateString(command.name);
  return one(shard::draft(context, "webhook", command.name, "trv.webhook.removed",
                          record::finish(builder, schema::tenancy::CreateWebhookRemoved(builder, name))));
}

}  // namespace trv::tenancy
