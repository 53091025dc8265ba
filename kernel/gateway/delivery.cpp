#include "kernel/gateway/delivery.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>

#include "kernel/gateway/cloud_event.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::gateway {
namespace {

using base::ErrorCode;
using base::fail;
using base::Result;
using tenancy::DeliveryProof;
using tenancy::Webhook;

/// While a sender changes its secret, its header has a signature by each.
constexpr std::size_t signatures_max = 8;
constexpr std::string_view timestamp_part = "{timestamp}";

base::Error wrong(std::string_view header, std::string_view why) {
  return {ErrorCode::unauthenticated, fmt::format("header '{}' {}", header, why)};
}

/// Of a header on which the proof rests: there must be one.
Result<std::string_view> only_header(const http::Request& request, std::string_view name) {
  std::optional<std::string_view> found;
  for (std::size_t i = 0; i < request.header_count(); ++i) {
    const http::Field field = request.header_at(i);
    if (!base::equal_ignoring_case(field.name, name)) continue;
    if (found) return fail(wrong(name, "occurs twice"));
    found = field.value;
  }
  if (!found || found->empty()) return fail(wrong(name, "is missing"));
  return *found;
}

bool is_signed(const Webhook& webhook, std::string_view part) {
  return webhook.signed_text.find(part) != std::string::npos;
}

/// The bytes that the sender has signed.
Result<std::string> signed_message(const Webhook& webhook, const http::Request& request) {
  std::string message;
  std::string_view rest = webhook.signed_text;
  while (!rest.empty()) {
    const std::size_t open = std::min(rest.find('{'), rest.size());
    message += rest.substr(0, open);
    rest.remove_prefix(open);
    if (rest.empty()) break;
    const std::size_t end = rest.find('}');
    TRV_ASSERT(end != std::string_view::npos);
    const std::string_view part = rest.substr(0, end + 1);
    rest.remove_prefix(end + 1);
    if (part == "{body}") {
      message += request.body();
      continue;
    }
    TRV_ASSERT(part == timestamp_part || part == "{id}");
    TRV_TRY_ASSIGN(const std::string_view value,
                   only_header(request, part == "{id}" ? webhook.id_header : webhook.timestamp_header));
    message += value;
  }
  return message;
}

bool is_signature(const Webhook& webhook, std::string_view text, const base::Digest& expected) {
  if (text.starts_with(webhook.prefix)) text.remove_prefix(webhook.prefix.size());
  const auto given = webhook.encoding == "base64" ? base::from_base64(text) : base::from_hex(text);
  return given && given->size() == expected.size() && base::equal_in_constant_time(*given, expected);
}

base::Status check_signature(const Webhook& webhook, const http::Request& request, std::string_view key) {
  TRV_EXPECTS(!key.empty());
  TRV_TRY_ASSIGN(std::string_view signatures, only_header(request, webhook.header));
  TRV_TRY_ASSIGN(const std::string message, signed_message(webhook, request));
  const base::Digest expected = base::hmac_sha256(base::as_bytes(key), base::as_bytes(message));
  for (std::size_t count = 0; count < signatures_max && !signatures.empty(); ++count) {
    const std::size_t end = std::min(signatures.find(' '), signatures.size());
    if (is_signature(webhook, signatures.substr(0, end), expected)) return {};
    signatures.remove_prefix(std::min(end + 1, signatures.size()));
  }
  return fail(wrong(webhook.header, fmt::format("is not the HMAC-SHA256, in {}, of '{}' with the secret",
                                                webhook.encoding, webhook.signed_text)));
}

base::Status check_time(const Webhook& webhook, const http::Request& request, base::Timestamp now) {
  TRV_TRY_ASSIGN(const std::string_view text, only_header(request, webhook.timestamp_header));
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 0) {
    return fail(wrong(webhook.timestamp_header, "is not a time in seconds since 1970"));
  }
  constexpr std::int64_t second_ns = 1'000'000'000;
  const std::int64_t apart = now.ns() / second_ns - seconds;
  const std::int64_t tolerated = webhook.tolerance_s;
  if (apart >= -tolerated && apart <= tolerated) return {};
  return fail(
      wrong(webhook.timestamp_header, fmt::format("is a time {} s {} that of this server; at most {} s are tolerated",
                                                  std::abs(apart), apart > 0 ? "before" : "after", tolerated)));
}

/// Empty where the sender says none and none can be made of what it signed.
Result<std::string> delivery_id(const Webhook& webhook, const http::Request& request) {
  if (const auto id = request.header(webhook.id_header); id && !id->empty()) {
    if (base::is_utf8(*id)) return std::string(*id);
    return fail(ErrorCode::invalid, fmt::format("header '{}' is not UTF-8", webhook.id_header));
  }
  if (webhook.proof != DeliveryProof::hmac_sha256 || !is_signed(webhook, timestamp_part)) return std::string();
  TRV_TRY_ASSIGN(const std::string message, signed_message(webhook, request));
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
  TRV_TRY(check_signature(webhook, request, secret.key));
  return is_signed(webhook, timestamp_part) ? check_time(webhook, request, now) : base::Status();
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
