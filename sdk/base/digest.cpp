#include "sdk/base/digest.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>

#include "sdk/base/contract.hpp"

namespace trv::base {
namespace {

struct MdDeleter {
  void operator()(EVP_MD* md) const noexcept { EVP_MD_free(md); }
};
struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

// Fetching the algorithm costs more than hashing a small record, so each thread keeps its context.
EVP_MD_CTX* started_context() {
  thread_local const std::unique_ptr<EVP_MD, MdDeleter> md(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  thread_local const std::unique_ptr<EVP_MD_CTX, ContextDeleter> context(EVP_MD_CTX_new());
  TRV_ASSERT(md != nullptr && context != nullptr);
  TRV_ASSERT(EVP_DigestInit_ex2(context.get(), md.get(), nullptr) == 1);
  return context.get();
}

Digest finished(EVP_MD_CTX* context) {
  Digest digest{};
  unsigned int size = 0;
  TRV_ASSERT(EVP_DigestFinal_ex(context, digest.data(), &size) == 1);
  TRV_ENSURES(size == digest.size());
  return digest;
}

}  // namespace

Digest sha256(BytesView bytes) {
  return sha256({bytes});
}

Digest sha256(std::initializer_list<BytesView> parts) {
  EVP_MD_CTX* context = started_context();
  for (const BytesView part : parts) {
    TRV_ASSERT(EVP_DigestUpdate(context, part.data(), part.size()) == 1);
  }
  return finished(context);
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
