#include "kernel/gateway/delivery.hpp"

#include <fmt/format.h>

#include <vector>

#include "kernel/gateway/cloud_event.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/delivery_proof.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using tenancy::DeliveryProof;
using tenancy::Webhook;

base::DeliverySignature signature_of(const Webhook& webhook) {
  return {.header = webhook.header,
          .prefix = webhook.prefix,
          .prefix_rule = base::SignaturePrefix::may_be_missing,
          .encoding = webhook.encoding == "base64" ? base::SignatureEncoding::base64 : base::SignatureEncoding::hex,
          .secret_encoding =
              webhook.secret_encoding == "base64" ? base::SecretEncoding::base64 : base::SecretEncoding::text,
          .signed_text = webhook.signed_text,
          .timestamp_header = webhook.timestamp_header,
          .id_header = webhook.id_header,
          .tolerance_s = webhook.tolerance_s};
}

std::vector<base::DeliveryHeader> headers_of(const http::Request& request) {
  std::vector<base::DeliveryHeader> headers;
  headers.reserve(request.header_count());
  for (std::size_t i = 0; i < request.header_count(); ++i) {
    const http::Field field = request.header_at(i);
    headers.push_back({field.name, field.value});
  }
  return headers;
}

/// Empty where the sender says none and none can be made of what it signed.
Result<std::string> delivery_id(const Webhook& webhook, const http::Request& request) {
  if (const auto id = request.header(webhook.id_header); id && !id->empty()) {
    if (base::is_utf8(*id)) return std::string(*id);
    return fail(ErrorCode::invalid, fmt::format("header '{}' is not UTF-8", webhook.id_header));
  }
  if (webhook.proof != DeliveryProof::hmac_sha256) return std::string();
  const base::DeliverySignature signature = signature_of(webhook);
  if (!base::signs_time(signature.signed_text)) return std::string();
  const std::vector<base::DeliveryHeader> headers = headers_of(request);
  TRV_TRY_ASSIGN(const std::string message, base::signed_message(signature, {headers, request.body()}));
  return "sha256:" + base::to_hex(base::sha256(base::as_bytes(message)));
}

Result<ingest::Received> taken_as_it_is(const Webhook& webhook, const http::Request& request) {
  TRV_TRY_ASSIGN(std::vector<ingest::Received> events, read_cloud_events(request));
  if (events.size() != 1) {
    return fail(ErrorCode::invalid, fmt::format("the delivery has {} events; a webhook takes one", events.size()));
  }
  ingest::Received& event = events.front();
  const auto refuse = [&](std::string_view attribute, std::string_view value, std::string_view expected) {
    return fail(ErrorCode::invalid, fmt::format("event attribute '{}' is '{}'; webhook '{}' takes '{}' only", attribute,
                                                base::utf8_prefix(value, 200), webhook.name, expected));
  };
  if (event.type != webhook.type) return refuse("type", event.type, webhook.type);
  if (!webhook.source.empty() && event.source != webhook.source) return refuse("source", event.source, webhook.source);
  return std::move(event);
}

}  // namespace

std::string delivery_path(std::string_view tenant, std::string_view webhook) {
  return fmt::format("/v1/tenants/{}/hooks/{}", tenant, webhook);
}

base::Status check_delivery(const Webhook& webhook, const http::Request& request, const DeliverySecret& secret,
                            base::Timestamp now) {
  if (webhook.proof == DeliveryProof::token) {
    const base::Digest given = base::sha256(base::as_bytes(secret.token));
    if (!secret.token.empty() && base::equal_in_constant_time(given, webhook.token_sha256)) return {};
    return fail(ErrorCode::unauthenticated, "the path does not end with the token of this webhook");
  }
  const std::vector<base::DeliveryHeader> headers = headers_of(request);
  return base::check_signature(signature_of(webhook), {headers, request.body()}, secret.key, now);
}

Result<ingest::Received> delivered_event(const Webhook& webhook, const http::Request& request, std::string_view tenant,
                                         std::string_view new_id, base::Timestamp now) {
  TRV_EXPECTS(!new_id.empty());
  if (is_cloud_event(request)) {
    TRV_TRY_ASSIGN(ingest::Received event, taken_as_it_is(webhook, request));
    event.channel = "webhook:" + webhook.name;
    return event;
  }
  ingest::Received event;
  TRV_TRY_ASSIGN(event.id, delivery_id(webhook, request));
  if (event.id.empty()) event.id = new_id;
  event.source = webhook.source.empty() ? delivery_path(tenant, webhook.name) : webhook.source;
  event.type = webhook.type;
  event.time = now;
  TRV_TRY(read_data(event, request));
  event.channel = "webhook:" + webhook.name;
  event.connection = event.channel;  // which no connection can be called
  event.body_sha256 = base::sha256(base::as_bytes(request.body()));
  return event;
}

}  // namespace trv::gateway
