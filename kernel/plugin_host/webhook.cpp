#include "kernel/plugin_host/webhook.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/parse.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using json::Value;

// A mapping picks a few members; what needs more than this is not a mapping.
constexpr expression::Budget mapping_budget = {.fuel = 100'000, .depth_max = 200, .memory_bytes_max = 16 * 1024 * 1024};
constexpr std::size_t mapped_bytes_max = 1'024;

base::Status check_bounds(const std::vector<egress::Header>& headers, std::size_t body_bytes) {
  if (body_bytes > webhook_body_bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("the body has {} bytes, at most {} are taken", body_bytes, webhook_body_bytes_max));
  }
  std::size_t header_bytes = 0;
  for (const egress::Header& header : headers) header_bytes += header.name.size() + header.value.size();
  if (headers.size() > webhook_headers_max || header_bytes > webhook_header_bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("{} headers of {} bytes, at most {} of {} bytes are taken", headers.size(),
                                  header_bytes, webhook_headers_max, webhook_header_bytes_max));
  }
  return {};
}

base::Result<expression::Program> compile_member(std::string_view text, std::size_t index, std::string_view member) {
  base::Result<expression::Program> program = expression::compile(text);
  if (!program) return base::fail(std::move(program).error().in(fmt::format("webhooks[{}].{}", index, member)));
  return program;
}

// The program's first output; null counts as none.
base::Result<std::optional<std::string>> evaluate_text(const expression::Program& program, const Value& input,
                                                       const expression::Environment& environment,
                                                       std::string_view member) {
  base::Result<std::optional<Value>> value = expression::evaluate_first(program, input, environment, mapping_budget);
  if (!value) return base::fail(std::move(value).error().in(member));
  if (!*value || (*value)->is_null()) return std::nullopt;
  if (!(*value)->is_string()) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("{}: gave a {}, not a string", member, json::to_string((*value)->kind())));
  }
  const std::string_view text = (*value)->as_string();
  if (text.size() > mapped_bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("{}: gave {} bytes, at most {} are taken", member, text.size(), mapped_bytes_max));
  }
  return std::string(text);
}

base::Result<std::string> require_text(const expression::Program& program, const Value& input,
                                       const expression::Environment& environment, std::string_view member) {
  TRV_TRY_ASSIGN(std::optional<std::string> text, evaluate_text(program, input, environment, member));
  if (!text || text->empty()) return base::fail(ErrorCode::invalid, fmt::format("{}: gave no text", member));
  return *std::move(text);
}

}  // namespace

base::Result<WebhookDeclaration> compile_webhook(const package::Manifest& manifest, std::size_t index) {
  TRV_EXPECTS(index < manifest.webhooks.size());
  const package::Webhook& webhook = manifest.webhooks[index];
  TRV_TRY_ASSIGN(expression::Program type, compile_member(webhook.event_type, index, "event.type"));
  TRV_TRY_ASSIGN(expression::Program source, compile_member(webhook.event_source, index, "event.source"));
  WebhookDeclaration declaration{.plugin = manifest.id,
                                 .version = manifest.version,
                                 .manifest = webhook,
                                 .event_type = std::move(type),
                                 .event_source = std::move(source),
                                 .event_subject = std::nullopt,
                                 .delivery_id = std::nullopt};
  if (!webhook.event_subject.empty()) {
    TRV_TRY_ASSIGN(declaration.event_subject, compile_member(webhook.event_subject, index, "event.subject"));
  }
  if (!webhook.delivery_id.empty()) {
    TRV_TRY_ASSIGN(declaration.delivery_id, compile_member(webhook.delivery_id, index, "delivery_id"));
  }
  return declaration;
}

base::Status verify_webhook(const WebhookDeclaration& webhook, const std::vector<egress::Header>& headers,
                            base::BytesView body, std::string_view secret) {
  TRV_TRY(check_bounds(headers, body.size()));
  const package::Verification& verification = webhook.manifest.verification;
  if (verification.scheme == package::VerificationScheme::none) return {};
  const auto refuse = [&](std::string_view why) {
    return base::fail(ErrorCode::unauthenticated, fmt::format("header '{}' {}", verification.header, why));
  };
  if (secret.empty()) {
    return base::fail(ErrorCode::unauthenticated,
                      fmt::format("no webhook secret is set for plugin '{}'", webhook.plugin));
  }
  const egress::Header* signature = nullptr;
  for (const egress::Header& header : headers) {
    if (base::lower(header.name) != verification.header) continue;
    if (signature != nullptr) return refuse("occurs twice");
    signature = &header;
  }
  if (signature == nullptr) return refuse("is missing");
  std::string_view text = signature->value;
  if (!text.starts_with(verification.prefix)) {
    return refuse(fmt::format("does not begin with '{}'", verification.prefix));
  }
  text.remove_prefix(verification.prefix.size());
  const bool is_hex = verification.encoding == package::DigestEncoding::hex;
  const std::optional<base::Bytes> given = is_hex ? base::from_hex(text) : base::from_base64(text);
  if (!given) return refuse(is_hex ? "is not hexadecimal" : "is not base64");
  const base::Digest expected = base::hmac_sha256(base::as_bytes(secret), body);
  if (given->size() != expected.size()) return refuse("is not a digest of 32 bytes");
  if (!base::equal_in_constant_time(*given, expected)) return refuse("does not match the body");
  return {};
}

base::Result<WebhookEvent> map_webhook(const WebhookDeclaration& webhook, const std::vector<egress::Header>& headers,
                                       std::string_view body, base::Timestamp now) {
  TRV_TRY(check_bounds(headers, body.size()));
  for (const std::string& required : webhook.manifest.required_headers) {
    const bool is_there = std::ranges::any_of(headers, [&](const egress::Header& header) {
      return base::lower(header.name) == required && !header.value.empty();
    });
    if (is_there) continue;
    return base::fail(ErrorCode::invalid,
                      fmt::format("header '{}' is missing; a delivery to the webhook '{}' of plugin "
                                  "'{}' has it",
                                  required, webhook.manifest.name, webhook.plugin));
  }
  auto parsed = json::parse(body, {.bytes_max = webhook_body_bytes_max, .depth_max = 100});
  if (!parsed) return base::fail(std::move(parsed).error().in("body"));
  Value names = Value::object();
  for (const egress::Header& header : headers) names = names.with(base::lower(header.name), Value(header.value));
  const Value input = {{"headers", std::move(names)}, {"body", *std::move(parsed)}};
  const expression::Environment environment{.variables = {}, .now = now};

  WebhookEvent event;
  TRV_TRY_ASSIGN(event.type, require_text(webhook.event_type, input, environment, "event.type"));
  TRV_TRY_ASSIGN(event.source, require_text(webhook.event_source, input, environment, "event.source"));
  if (webhook.event_subject) {
    TRV_TRY_ASSIGN(std::optional<std::string> subject,
                   evaluate_text(*webhook.event_subject, input, environment, "event.subject"));
    event.subject = std::move(subject).value_or("");
  }
  if (webhook.delivery_id) {
    TRV_TRY_ASSIGN(event.delivery_id, require_text(*webhook.delivery_id, input, environment, "delivery_id"));
  }
  return event;
}

}  // namespace trv::plugin_host
