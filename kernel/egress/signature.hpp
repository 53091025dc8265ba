#pragma once
// Signatures by a tenant's secret. Pure; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::egress {

/// The numbers are those of trv_signature, sdk/abi/ext/secret.h.
enum class SignatureKind : std::int32_t { hmac_sha256 = 1, ed25519 = 2, rsa_sha256 = 3 };

/// Error: invalid.
[[nodiscard]] base::Result<SignatureKind> signature_kind_of(std::int32_t number);
/// "hmac-sha256", "ed25519", "rsa-sha256"; nullopt for others.
[[nodiscard]] std::optional<SignatureKind> signature_kind_of(std::string_view name);

/// The bytes of the signature. The secret is the key itself, or a private key in PEM. Error: invalid where it is not
/// such a key; never with anything of it.
[[nodiscard]] base::Result<std::string> sign(SignatureKind kind, const std::string& secret, std::string_view data);

}  // namespace trv::egress
