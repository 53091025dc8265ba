#include "events/keys/sealing.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "sdk/base/contract.hpp"
#include "sdk/base/frees.hpp"

namespace trv::keys {
namespace {

constexpr std::string_view magic = "TRVS\x01";
constexpr std::size_t tag_bytes = 16;
static_assert(magic.size() + std::tuple_size_v<Nonce> + tag_bytes == sealed_overhead_bytes);

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, base::Frees<EVP_CIPHER_CTX_free>>;

}  // namespace

bool is_sealed(base::BytesView bytes) noexcept {
  return base::as_text(bytes).starts_with(magic);
}

base::Bytes seal(const SealingKey& key, const Nonce& nonce, std::string_view additional, base::BytesView secret) {
  base::Bytes out = base::to_bytes(magic);
  out.insert(out.end(), nonce.begin(), nonce.end());
  const std::size_t start = out.size();
  out.resize(start + secret.size() + tag_bytes);
  const Cipher cipher(EVP_CIPHER_CTX_new());
  TRV_ASSERT(cipher != nullptr);
  int size = 0;
  TRV_ASSERT(EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce.data()) == 1);
  TRV_ASSERT(EVP_EncryptUpdate(cipher.get(), nullptr, &size, base::as_bytes(additional).data(),
                               static_cast<int>(additional.size())) == 1);
  TRV_ASSERT(
      EVP_EncryptUpdate(cipher.get(), out.data() + start, &size, secret.data(), static_cast<int>(secret.size())) == 1);
  TRV_ASSERT(static_cast<std::size_t>(size) == secret.size());
  TRV_ASSERT(EVP_EncryptFinal_ex(cipher.get(), out.data() + start + size, &size) == 1);
  TRV_ASSERT(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, tag_bytes, out.data() + start + secret.size()) ==
             1);
  return out;
}

std::optional<std::string> unseal(const SealingKey& key, std::string_view additional, base::BytesView sealed) {
  if (sealed.size() < sealed_overhead_bytes || !is_sealed(sealed)) return std::nullopt;
  const base::BytesView nonce = sealed.subspan(magic.size(), std::tuple_size_v<Nonce>);
  const base::BytesView text = sealed.subspan(magic.size() + nonce.size(), sealed.size() - sealed_overhead_bytes);
  std::array<std::uint8_t, tag_bytes> tag{};
  std::ranges::copy(sealed.last(tag_bytes), tag.begin());
  std::string secret(text.size(), '\0');
  auto* out = reinterpret_cast<std::uint8_t*>(secret.data());
  const Cipher cipher(EVP_CIPHER_CTX_new());
  TRV_ASSERT(cipher != nullptr);
  int size = 0;
  TRV_ASSERT(EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce.data()) == 1);
  TRV_ASSERT(EVP_DecryptUpdate(cipher.get(), nullptr, &size, base::as_bytes(additional).data(),
                               static_cast<int>(additional.size())) == 1);
  TRV_ASSERT(EVP_DecryptUpdate(cipher.get(), out, &size, text.data(), static_cast<int>(text.size())) == 1);
  TRV_ASSERT(EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, tag_bytes, tag.data()) == 1);
  if (EVP_DecryptFinal_ex(cipher.get(), out + size, &size) != 1) {
    OPENSSL_cleanse(secret.data(), secret.size());
    return std::nullopt;
  }
  return secret;
}

}  // namespace trv::keys
