#pragma once
// The three signatures of a manifest and the keys that made them. docs/formats/bundle.md, "Signatures".
//
// Functions of values; any thread.

#include <cstdint>
#include <string>
#include <string_view>

#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace trv::release {

/// `key`: 32 bytes. False for a wrong signature and for keys and signatures of another form.
[[nodiscard]] bool verifies_ed25519(base::BytesView key, std::string_view message, base::BytesView signature);
/// `key`: SubjectPublicKeyInfo of P-256; `signature`: ECDSA over SHA-256 as DER. False as above.
[[nodiscard]] bool verifies_p256(base::BytesView key, std::string_view message, base::BytesView signature);

/// An OpenPGP key of version 4 (RFC 4880) that signs with Ed25519.
struct OpenPgpKey {
  base::Bytes key;            ///< 32 bytes
  std::uint32_t created = 0;  ///< seconds since 1970
  /// 20 bytes, by which people and gpgv know it.
  [[nodiscard]] base::Bytes fingerprint() const;
};
/// `armour`: a detached signature as ./dev bundle writes it, byte for byte; any other form of the same signature is
/// refused. Errors: unauthenticated, invalid; they say what differs.
[[nodiscard]] base::Status verify_openpgp(const OpenPgpKey& key, std::string_view message, std::string_view armour);

}  // namespace trv::release
