#pragma once
// How the sender of a webhook proves that it knows the shared secret: by an HMAC-SHA-256 of body, time and id, or by
// the secret itself in a header. Secrets and digests are compared in constant time.
//
// Pure functions; any thread. Headers and body are hostile input.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::base {

/// Of a time that is signed and the time here: a day.
inline constexpr std::uint32_t delivery_tolerance_s_max = 86'400;

enum class SignaturePrefix { may_be_missing, required };
enum class SignatureEncoding { hex, base64 };
enum class SecretEncoding { text, base64 };

struct DeliverySignature {
  std::string header;  ///< has the signature, or several while a secret is changed, with a space or a comma between:
                       ///< the one that the prefix does not have
  std::string prefix;  ///< before the digest
  SignaturePrefix prefix_rule = SignaturePrefix::required;
  SignatureEncoding encoding = SignatureEncoding::hex;
  SecretEncoding secret_encoding = SecretEncoding::text;
  std::string signed_text = "{body}";  ///< check_signed_text holds
  std::string timestamp_header;        ///< seconds since 1970; empty where signed_text has no {timestamp}
  std::string id_header;               ///< empty where signed_text has no {id}
  std::uint32_t tolerance_s = 0;       ///< how far the time may be from the time here, either way
};

struct DeliveryHeader {
  std::string_view name;
  std::string_view value;
};

/// Borrowed from the request.
struct Delivery {
  std::span<const DeliveryHeader> headers;
  std::string_view body;
};

/// Whether the text has {body}, at most once each of {body}, {timestamp} and {id}, and no other part in braces.
/// Error: invalid; begins with `field`.
[[nodiscard]] Status check_signed_text(std::string_view field, std::string_view text);

/// Whether {timestamp} is in it: then a header has the time.
[[nodiscard]] bool signs_time(std::string_view signed_text) noexcept;

/// The bytes that the sender signs. Error: unauthenticated, where a header that is signed is missing or occurs twice.
[[nodiscard]] Result<std::string> signed_message(const DeliverySignature& signature, const Delivery& delivery);

/// The key that a secret means: its bytes, or what they are the base64 of, behind `whsec_` where the secret begins so.
/// Error: invalid; never names the secret.
[[nodiscard]] Result<Bytes> signing_key(SecretEncoding encoding, std::string_view secret);

/// Whether the delivery has the signature, and the time that it signs is near `now`. `secret` is not empty.
/// Error: unauthenticated; says which header and what is wrong with it, never what was expected.
[[nodiscard]] Status check_signature(const DeliverySignature& signature, const Delivery& delivery,
                                     std::string_view secret, Timestamp now);

/// Whether the header is the secret itself, which is not empty. Error: unauthenticated, as above.
[[nodiscard]] Status check_secret_header(std::string_view header, const Delivery& delivery, std::string_view secret);

}  // namespace trv::base
