#pragma once
// The Ed25519 keys of C2SP signed-note: signature type 0x01.
//
// A key is known by its name (for a log: its origin) and its 32-bit id, the first four bytes of
// SHA-256(name ‖ LF ‖ 0x01 ‖ public key).

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sdk/base/bytes.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"

struct evp_pkey_st;

namespace trv::note {

using base::Bytes;
using base::BytesView;
using base::Result;
using base::Status;

using PublicKey = std::array<std::uint8_t, 32>;
using Signature = std::array<std::uint8_t, 64>;

/// Checks signatures. A value; any thread.
class VerifierKey {
 public:
  /// Error: invalid where the name breaks the rules of check_name.
  [[nodiscard]] static Result<VerifierKey> of(std::string_view name, const PublicKey& key);
  /// Reads `name+hex8+base64`. Error: invalid, also where the id is not that of the name and key, and for another
  /// signature type.
  [[nodiscard]] static Result<VerifierKey> parse(std::string_view text);
  /// The published form, `name+hex8+base64`, without a line end.
  [[nodiscard]] std::string format() const;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::uint32_t id() const noexcept { return id_; }
  [[nodiscard]] const PublicKey& public_key() const noexcept { return key_; }

  /// False for a wrong signature and for one of another length.
  [[nodiscard]] bool verifies(std::string_view message, BytesView signature) const;

  friend bool operator==(const VerifierKey&, const VerifierKey&) = default;

 private:
  VerifierKey(std::string_view name, const PublicKey& key);

  std::string name_;
  PublicKey key_;
  std::uint32_t id_;
};

/// Makes signatures. Owns the secret, which the memory forgets with it. Move-only; const calls from any thread.
class SigningKey {
 public:
  using Seed = std::array<std::uint8_t, 32>;

  /// A new key. `random` must be fit for keys. Error: invalid for a bad name.
  [[nodiscard]] static Result<SigningKey> generate(std::string_view name, base::Random& random);
  /// The key of an RFC 8032 private key. Error: invalid for a bad name.
  [[nodiscard]] static Result<SigningKey> from_seed(std::string_view name, const Seed& seed);
  /// Reads PEM PKCS#8, not encrypted. The name is not in the file. Error: invalid.
  [[nodiscard]] static Result<SigningKey> from_pem(std::string_view name, std::string_view pem);
  /// PEM PKCS#8. The text is the secret: keep it in files of mode 0600.
  [[nodiscard]] std::string to_pem() const;

  /// The same secret under another name, which gives another id: one key file can sign for many origins, and a
  /// signature of one is none of another. Error: invalid for a bad name.
  [[nodiscard]] Result<SigningKey> named(std::string_view name) const;

  [[nodiscard]] const VerifierKey& verifier() const noexcept { return verifier_; }
  [[nodiscard]] const std::string& name() const noexcept { return verifier_.name(); }
  [[nodiscard]] std::uint32_t id() const noexcept { return verifier_.id(); }

  [[nodiscard]] Signature sign(std::string_view message) const;

 private:
  struct PrivateKeyDeleter {
    void operator()(evp_pkey_st* key) const noexcept;
  };
  using PrivateKey = std::unique_ptr<evp_pkey_st, PrivateKeyDeleter>;

  static Result<SigningKey> of(std::string_view name, PrivateKey key);
  SigningKey(VerifierKey verifier, PrivateKey key) : verifier_(std::move(verifier)), key_(std::move(key)) {}

  VerifierKey verifier_;
  PrivateKey key_;
};

}  // namespace trv::note
