#include "kernel/egress/signature.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>

#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/frees.hpp"

namespace trv::egress {
namespace {

using base::ErrorCode;
using base::fail;
using Key = std::unique_ptr<EVP_PKEY, base::Frees<EVP_PKEY_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, base::Frees<EVP_MD_CTX_free>>;
using Bio = std::unique_ptr<BIO, base::Frees<BIO_free_all>>;

// Nobody is asked for a passphrase.
int no_passphrase(char*, int, int, void*) {
  return 0;
}

}  // namespace

base::Result<SignatureKind> signature_kind_of(std::int32_t number) {
  if (number >= 1 && number <= 3) return static_cast<SignatureKind>(number);
  return fail(ErrorCode::invalid, fmt::format("{} is not the number of a signature that this host makes", number));
}

std::optional<SignatureKind> signature_kind_of(std::string_view name) {
  if (name == "hmac-sha256") return SignatureKind::hmac_sha256;
  if (name == "ed25519") return SignatureKind::ed25519;
  if (name == "rsa-sha256") return SignatureKind::rsa_sha256;
  return std::nullopt;
}

base::Result<std::string> sign(SignatureKind kind, const std::string& secret, std::string_view data) {
  if (kind == SignatureKind::hmac_sha256) {
    const base::Digest digest = base::hmac_sha256(base::as_bytes(secret), base::as_bytes(data));
    return std::string(base::as_text(base::BytesView(digest)));
  }
  const bool is_rsa = kind == SignatureKind::rsa_sha256;
  const Bio pem(BIO_new_mem_buf(secret.data(), static_cast<int>(secret.size())));
  const Key key(pem ? PEM_read_bio_PrivateKey(pem.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (!key || EVP_PKEY_base_id(key.get()) != (is_rsa ? EVP_PKEY_RSA : EVP_PKEY_ED25519)) {
    return fail(ErrorCode::invalid, fmt::format("the secret is not a private key of {} in PEM without a passphrase",
                                                is_rsa ? "RSA" : "Ed25519"));
  }
  const Context context(EVP_MD_CTX_new());
  const auto* bytes = reinterpret_cast<const unsigned char*>(data.data());
  std::size_t size = 0;
  std::string signature;
  const auto failed = [] { return fail(ErrorCode::internal, "the signature could not be made"); };
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, is_rsa ? EVP_sha256() : nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes, data.size()) != 1) {
    return failed();
  }
  signature.resize(size);
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes, data.size()) !=
      1) {
    return failed();
  }
  signature.resize(size);
  return signature;
}

}  // namespace trv::egress
