#include "kernel/plugin_host/webhook.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/parse.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/delivery_proof.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/utf8.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using json::Value;

// A mapping picks a few members; what needs more than this is not a mapping.
constexpr expression::Budget mapping_budget = {.fuel = 100'000, .depth_max = 200, .memory_bytes_max = 16 * 1024 * 1024};
constexpr std::size_t mapped_bytes_max = 1'024;
constexpr std::size_t form_fields_max = 1'000;

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

std::vector<base::DeliveryHeader> fields_of(const std::vector<egress::Header>& headers) {
  std::vector<base::DeliveryHeader> fields;
  fields.reserve(headers.size());
  for (const egress::Header& header : headers) fields.push_back({header.name, header.value});
  return fields;
}

base::Error no_form(std::string_view why) {
  return {ErrorCode::invalid, fmt::format("body: is not a form: {}", why)};
}

// One name or value of application/x-www-form-urlencoded.
base::Result<std::string> decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out += text[at] == '+' ? ' ' : text[at];
      continue;
    }
    const std::optional<base::Bytes> byte = base::from_hex(text.substr(at + 1, 2));
    if (!byte || byte->size() != 1) return base::fail(no_form("'%' is not followed by two hexadecimal digits"));
    out += static_cast<char>(byte->front());
    at += 2;
  }
  if (!base::is_utf8(out)) return base::fail(no_form("a field is not UTF-8"));
  return out;
}

// The fields as an object of texts; of fields with one name the last counts, as in JSON.
base::Result<Value> parse_form(std::string_view text) {
  Value fields = Value::object();
  std::size_t count = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view field = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (field.empty()) continue;
    if (++count > form_fields_max) {
      return base::fail(no_form(fmt::format("it has more than {} fields", form_fields_max)));
    }
    const std::size_t equals = std::min(field.find('='), field.size());
    TRV_TRY_ASSIGN(const std::string name, decoded(field.substr(0, equals)));
    TRV_TRY_ASSIGN(const std::string value, decoded(field.substr(std::min(equals + 1, field.size()))));
    fields.set(std::string_view(name), Value(value));
  }
  return fields;
}

base::Result<Value> parse_body(const package::Webhook& webhook, std::string_view body) {
  constexpr json::ParseLimits limits = {.bytes_max = webhook_body_bytes_max, .depth_max = 100};
  if (webhook.body == package::WebhookBody::json) {
    auto parsed = json::parse(body, limits);
    if (!parsed) return base::fail(std::move(parsed).error().in("body"));
    return parsed;
  }
  TRV_TRY_ASSIGN(Value fields, parse_form(body));
  if (webhook.json_field.empty()) return fields;
  const Value* const field = fields.find(std::string_view(webhook.json_field));
  if (field == nullptr) return base::fail(no_form(fmt::format("the field '{}' is missing", webhook.json_field)));
  auto parsed = json::parse(field->as_string(), limits);
  if (!parsed) return base::fail(std::move(parsed).error().in(fmt::format("body: field '{}'", webhook.json_field)));
  return parsed;
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
                                 .delivery_id = std::nullopt,
                                 .challenge = std::nullopt};
  if (!webhook.event_subject.empty()) {
    TRV_TRY_ASSIGN(declaration.event_subject, compile_member(webhook.event_subject, index, "event.subject"));
  }
  if (!webhook.delivery_id.empty()) {
    TRV_TRY_ASSIGN(declaration.delivery_id, compile_member(webhook.delivery_id, index, "delivery_id"));
  }
  if (!webhook.challenge.empty()) {
    TRV_TRY_ASSIGN(declaration.challenge, compile_member(webhook.challenge, index, "challenge"));
  }
  return declaration;
}

base::Status verify_webhook(const WebhookDeclaration& webhook, const std::vector<egress::Header>& headers,
                            base::BytesView body, std::string_view secret, base::Timestamp now) {
  TRV_TRY(check_bounds(headers, body.size()));
  const package::Verification& verification = webhook.manifest.verification;
  if (verification.scheme == package::VerificationScheme::none) return {};
  if (secret.empty()) {
    return base::fail(ErrorCode::unauthenticated,
                      fmt::format("no webhook secret is set for plugin '{}'", webhook.plugin));
  }
  const std::vector<base::DeliveryHeader> fields = fields_of(headers);
  const base::Delivery delivery{.headers = fields, .body = base::as_text(body)};
  if (verification.scheme == package::VerificationScheme::token) {
    return base::check_secret_header(verification.token_header, delivery, secret);
  }
  return base::check_signature(verification.signature, delivery, secret, now);
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
  TRV_TRY_ASSIGN(Value parsed, parse_body(webhook.manifest, body));
  Value names = Value::object();
  for (const egress::Header& header : headers) names = names.with(base::lower(header.name), Value(header.value));
  const Value input = {{"headers", std::move(names)}, {"body", parsed}};
  const expression::Environment environment{.variables = {}, .now = now};

  WebhookEvent event;
  event.data = std::move(parsed);
  if (webhook.challenge) {
    TRV_TRY_ASSIGN(event.challenge, evaluate_text(*webhook.challenge, input, environment, "challenge"));
    if (event.challenge) return event;
  }
  TRV_TRY_ASSIGN(event.type, require_text(webhook.event_type, input, environment, "event.type"));
  TRV_TRY_ASSIGN(event.source, require_text(webhook.event_source, input, environment, "event.source"));
  if (webhook.event_subject) {
    TRV_TRY_ASSIGN(std::optional<std::string> subject,
                   evaluate_text(*webhook.event_subject, input, environment, "event.subject"));
    event.subject = std::move(subject).value_or("");
  }
  if (webhook.delivery_id) {
    TRV_TRY_ASSIGN(event.delivery_id, require_text(*webhook.delivery_id, input, environment, "delivery_id"));
    return event;
  }
  // A copy within the tolerance is a duplicate.
  const package::Verification& verification = webhook.manifest.verification;
  if (verification.scheme != package::VerificationScheme::hmac_sha256) return event;
  if (!base::signs_time(verification.signature.signed_text)) return event;
  const std::vector<base::DeliveryHeader> fields = fields_of(headers);
  TRV_TRY_ASSIGN(const std::string message, base::signed_message(verification.signature, {fields, body}));
  event.delivery_id = "sha256:" + base::to_hex(base::sha256(base::as_bytes(message)));
  return event;
}

}  // namespace trv::plugin_host
