// Signatures are those that others verify: by OpenSSL's own functions and by published vectors.

#include "kernel/egress/signature.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <memory>

#include "sdk/base/bytes.hpp"
#include "sdk/base/frees.hpp"

namespace trv::egress {
namespace {

using Key = std::unique_ptr<EVP_PKEY, base::Frees<EVP_PKEY_free>>;

std::string pem_of(EVP_PKEY* key) {
  const std::unique_ptr<BIO, base::Frees<BIO_free_all>> out(BIO_new(BIO_s_mem()));
  EXPECT_EQ(PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr), 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

bool verifies(EVP_PKEY* key, const EVP_MD* digest, std::string_view data, std::string_view signature) {
  const std::unique_ptr<EVP_MD_CTX, base::Frees<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  EXPECT_EQ(EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key), 1);
  return EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                          reinterpret_cast<const unsigned char*>(data.data()), data.size()) == 1;
}

// RFC 4231, test case 2.
TEST(SignatureTest, an_hmac_is_that_of_the_standard) {
  const auto made = sign(SignatureKind::hmac_sha256, "Jefe", "what do ya want for nothing?");
  ASSERT_TRUE(made);
  EXPECT_EQ(base::to_hex(base::as_bytes(*made)), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(SignatureTest, signatures_of_private_keys_verify) {
  const Key ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  const Key rsa(EVP_RSA_gen(2048));
  const auto by_ed25519 = sign(SignatureKind::ed25519, pem_of(ed25519.get()), "data");
  const auto by_rsa = sign(SignatureKind::rsa_sha256, pem_of(rsa.get()), "data");
  ASSERT_TRUE(by_ed25519 && by_rsa);
  EXPECT_EQ(by_ed25519->size(), 64U);
  EXPECT_TRUE(verifies(ed25519.get(), nullptr, "data", *by_ed25519));
  EXPECT_FALSE(verifies(ed25519.get(), nullptr, "date", *by_ed25519));
  EXPECT_TRUE(verifies(rsa.get(), EVP_sha256(), "data", *by_rsa));
}

TEST(SignatureTest, a_secret_that_is_not_such_a_key_is_refused_and_not_shown) {
  const Key rsa(EVP_RSA_gen(2048));
  for (const std::string& secret : {std::string("hunter2"), pem_of(rsa.get()), std::string()}) {
    const auto refused = sign(SignatureKind::ed25519, secret, "data");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "the secret is not a private key of Ed25519 in PEM without a passphrase");
  }
}

}  // namespace
}  // namespace trv::egress
