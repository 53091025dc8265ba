#include "sdk/base/delivery_proof.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <utility>

#include "sdk/base/bytes.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/field_text.hpp"
#include "sdk/base/text_check.hpp"

namespace trv::base {
namespace {

constexpr std::string_view body_part = "{body}";
constexpr std::string_view timestamp_part = "{timestamp}";
constexpr std::string_view id_part = "{id}";
constexpr std::array parts = {body_part, timestamp_part, id_part};
constexpr std::size_t signatures_max = 8;

bool has_part(std::string_view text, std::string_view part) noexcept {
  return text.find(part) != std::string_view::npos;
}

Error wrong(std::string_view header, std::string_view why) {
  return {ErrorCode::unauthenticated, fmt::format("header '{}' {}", header, why)};
}

/// Of a header on which the proof rests: there must be one.
Result<std::string_view> only_header(const Delivery& delivery, std::string_view name) {
  std::optional<std::string_view> found;
  for (const DeliveryHeader& header : delivery.headers) {
    if (!equal_ignoring_case(header.name, name)) continue;
    if (found) return fail(wrong(name, "occurs twice"));
    found = header.value;
  }
  if (!found || found->empty()) return fail(wrong(name, "is missing"));
  return *found;
}

Status check_one(const DeliverySignature& signature, std::string_view text, const Digest& expected) {
  const auto refuse = [&](std::string_view why) { return fail(wrong(signature.header, why)); };
  if (text.starts_with(signature.prefix)) {
    text.remove_prefix(signature.prefix.size());
  } else if (signature.prefix_rule == SignaturePrefix::required) {
    return refuse(fmt::format("does not begin with '{}'", signature.prefix));
  }
  const bool is_hex = signature.encoding == SignatureEncoding::hex;
  const std::optional<Bytes> given = is_hex ? from_hex(text) : from_base64(text);
  if (!given) return refuse(is_hex ? "is not hexadecimal" : "is not base64");
  if (given->size() != expected.size()) return refuse("is not a digest of 32 bytes");
  if (equal_in_constant_time(*given, expected)) return {};
  return refuse(fmt::format("does not match: it is not the HMAC-SHA256, in {}, of '{}' with the secret",
                            is_hex ? "hex" : "base64", signature.signed_text));
}

Status check_time(const DeliverySignature& signature, const Delivery& delivery, Timestamp now) {
  TRV_TRY_ASSIGN(const std::string_view text, only_header(delivery, signature.timestamp_header));
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 0) {
    return fail(wrong(signature.timestamp_header, "is not a time in seconds since 1970"));
  }
  constexpr std::int64_t second_ns = 1'000'000'000;
  const std::int64_t apart = now.ns() / second_ns - seconds;
  const std::int64_t tolerated = signature.tolerance_s;
  if (apart >= -tolerated && apart <= tolerated) return {};
  return fail(
      wrong(signature.timestamp_header, fmt::format("is a time {} s {} that of this server; at most {} s are tolerated",
                                                    std::abs(apart), apart > 0 ? "before" : "after", tolerated)));
}

}  // namespace

Status check_signed_text(std::string_view field, std::string_view text) {
  TRV_TRY(check_text(field, text, {.characters_max = 200}));
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::invalid, fmt::format("{} '{}' {}; expected {{body}}, and {{timestamp}} or {{id}} where they "
                                                "are signed too, such as {{timestamp}}.{{body}}",
                                                field, text, why));
  };
  if (!has_part(text, body_part)) return refuse("has no {body}");
  std::string rest(text);
  for (const std::string_view part : parts) {
    if (const std::size_t at = rest.find(part); at != std::string::npos) rest.replace(at, part.size(), " ");
    if (has_part(rest, part)) return refuse(fmt::format("has {} twice", part));
  }
  if (rest.find_first_of("{}") != std::string::npos) return refuse("has a part that is not known");
  return {};
}

bool signs_time(std::string_view signed_text) noexcept {
  return has_part(signed_text, timestamp_part);
}

Result<std::string> signed_message(const DeliverySignature& signature, const Delivery& delivery) {
  std::string message;
  std::string_view rest = signature.signed_text;
  while (!rest.empty()) {
    const std::size_t open = std::min(rest.find('{'), rest.size());
    message += rest.substr(0, open);
    rest.remove_prefix(open);
    if (rest.empty()) break;
    const std::size_t end = rest.find('}');
    TRV_ASSERT(end != std::string_view::npos);
    const std::string_view part = rest.substr(0, end + 1);
    rest.remove_prefix(end + 1);
    if (part == body_part) {
      message += delivery.body;
      continue;
    }
    TRV_ASSERT(part == timestamp_part || part == id_part);
    TRV_TRY_ASSIGN(const std::string_view value,
                   only_header(delivery, part == id_part ? signature.id_header : signature.timestamp_header));
    message += value;
  }
  return message;
}

Result<Bytes> signing_key(SecretEncoding encoding, std::string_view secret) {
  if (encoding == SecretEncoding::text) return to_bytes(secret);
  // As Standard Webhooks give it out.
  if (secret.starts_with("whsec_")) secret.remove_prefix(6);
  std::optional<Bytes> key = from_base64(secret);
  if (key && !key->empty()) return *std::move(key);
  return fail(ErrorCode::invalid, "the secret is not base64, which its encoding says");
}

Status check_signature(const DeliverySignature& signature, const Delivery& delivery, std::string_view secret,
                       Timestamp now) {
  TRV_EXPECTS(!secret.empty());
  const Result<Bytes> key = signing_key(signature.secret_encoding, secret);
  if (!key) return fail(ErrorCode::unauthenticated, key.error().message());
  TRV_TRY_ASSIGN(std::string_view signatures, only_header(delivery, signature.header));
  TRV_TRY_ASSIGN(const std::string message, signed_message(signature, delivery));
  const Digest expected = hmac_sha256(*key, as_bytes(message));
  Status checked = fail(wrong(signature.header, "is missing"));
  std::string between = " ,";
  std::erase_if(between, [&](char c) { return signature.prefix.contains(c); });
  std::size_t count = 0;
  while (count < signatures_max && !signatures.empty()) {
    const std::size_t end = std::min(signatures.find_first_of(between), signatures.size());
    if (end > 0) {
      ++count;
      checked = check_one(signature, signatures.substr(0, end), expected);
      if (checked) break;
    }
    signatures.remove_prefix(std::min(end + 1, signatures.size()));
  }
  if (!checked || !signs_time(signature.signed_text)) return checked;
  return check_time(signature, delivery, now);
}

Status check_secret_header(std::string_view header, const Delivery& delivery, std::string_view secret) {
  TRV_EXPECTS(!secret.empty());
  TRV_TRY_ASSIGN(const std::string_view given, only_header(delivery, header));
  // Digests, so that the comparison does not tell how long the secret is.
  if (equal_in_constant_time(sha256(as_bytes(given)), sha256(as_bytes(secret)))) return {};
  return fail(wrong(header, "is not the secret"));
}

}  // namespace trv::base
