#include "sdk/base/digest.hpp"

// The functions that OpenSSL 3 calls deprecated: its newer ones cost half a digest of a small message more.
#define OPENSSL_SUPPRESS_DEPRECATED  // NOLINT(readability-identifier-naming): the name is OpenSSL's
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "sdk/base/contract.hpp"

namespace trv::base {

Digest sha256(BytesView bytes) {
  return sha256({bytes});
}

Digest sha256(std::initializer_list<BytesView> parts) {
  SHA256_CTX context;
  TRV_ASSERT(SHA256_Init(&context) == 1);
  for (const BytesView part : parts) TRV_ASSERT(SHA256_Update(&context, part.data(), part.size()) == 1);
  Digest digest{};
  TRV_ASSERT(SHA256_Final(digest.data(), &context) == 1);
  return digest;
}

struct Sha256::Context {
  SHA256_CTX context;
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  TRV_ASSERT(SHA256_Init(&context_->context) == 1);
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&& other) noexcept = default;

void Sha256::add(BytesView bytes) {
  TRV_EXPECTS(context_ != nullptr);
  TRV_ASSERT(SHA256_Update(&context_->context, bytes.data(), bytes.size()) == 1);
}

Digest Sha256::digest() const {
  TRV_EXPECTS(context_ != nullptr);
  SHA256_CTX copy = context_->context;
  Digest digest{};
  TRV_ASSERT(SHA256_Final(digest.data(), &copy) == 1);
  return digest;
}

Digest hmac_sha256(BytesView key, BytesView message) {
  Digest digest{};
  unsigned int size = 0;
  TRV_EXPECTS(key.size() <= 1'000'000);
  const auto* done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
                          digest.data(), &size);
  TRV_ENSURES(done != nullptr && size == digest.size());
  return digest;
}

}  // namespace trv::base
