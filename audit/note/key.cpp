#include "audit/note/key.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>

#include "audit/note/text.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/frees.hpp"

namespace trv::note {
namespace {

using base::ErrorCode;

constexpr std::uint8_t type_ed25519 = 0x01;
constexpr std::size_t pem_bytes_max = 16'384;

using EitherKey = std::unique_ptr<EVP_PKEY, base::Frees<EVP_PKEY_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, base::Frees<EVP_MD_CTX_free>>;
using Bio = std::unique_ptr<BIO, base::Frees<BIO_free>>;

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::uint32_t key_id(std::string_view name, const PublicKey& key) {
  static constexpr std::uint8_t separator[] = {'\n', type_ed25519};
  const base::Digest digest = base::sha256({base::as_bytes(name), BytesView(separator), BytesView(key)});
  return std::uint32_t{digest[0]} << 24 | std::uint32_t{digest[1]} << 16 | std::uint32_t{digest[2]} << 8 | digest[3];
}

// An encrypted file must fail, not ask a terminal for its passphrase.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

}  // namespace

VerifierKey::VerifierKey(std::string_view name, const PublicKey& key)
    : name_(name), key_(key), id_(key_id(name, key)) {}

Result<VerifierKey> VerifierKey::of(std::string_view name, const PublicKey& key) {
  TRV_TRY(check_name(name));
  return VerifierKey(name, key);
}

Result<VerifierKey> VerifierKey::parse(std::string_view text) {
  const auto refuse = [](std::string_view why) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("verifier key: {}; expected <name>+<8 hexadecimal digits>+<base64>", why));
  };
  const std::size_t first = text.find('+');
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) {
    return refuse("fewer than two '+'");
  }
  const std::string_view name = text.substr(0, first);
  const std::string_view id_text = text.substr(first + 1, second - first - 1);
  if (const Status valid = check_name(name); !valid) {
    return refuse(valid.error().message());
  }
  const auto id_bytes = base::from_hex(id_text);
  if (!id_bytes || id_bytes->size() != 4) {
    return refuse("the key id is not 8 hexadecimal digits");
  }
  const auto key_bytes = text.size() > 1024 ? std::nullopt : base::from_base64(text.substr(second + 1));
  if (!key_bytes || key_bytes->empty()) {
    return refuse("the key is not base64");
  }
  if (key_bytes->front() != type_ed25519 || key_bytes->size() != 1 + sizeof(PublicKey)) {
    return refuse("the key is not an Ed25519 key of type 0x01");
  }
  PublicKey raw;
  std::ranges::copy(key_bytes->begin() + 1, key_bytes->end(), raw.begin());
  VerifierKey key(name, raw);
  const std::string id_expected = fmt::format("{:08x}", key.id());
  if (base::to_hex(*id_bytes) != id_expected) {
    return refuse(
        fmt::format("the key id {} is not {}, that of the name and key", base::to_hex(*id_bytes), id_expected));
  }
  return key;
}

std::string VerifierKey::format() const {
  Bytes typed{type_ed25519};
  typed.insert(typed.end(), key_.begin(), key_.end());
  return fmt::format("{}+{:08x}+{}", name_, id_, base::to_base64(typed));
}

bool VerifierKey::verifies(std::string_view message, BytesView signature) const {
  if (signature.size() != sizeof(Signature)) {
    return false;
  }
  const EitherKey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key_.data(), key_.size()));
  const Context context(EVP_MD_CTX_new());
  TRV_ASSERT(key != nullptr && context != nullptr);
  TRV_ASSERT(EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  const int verified =
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), octets(message), message.size());
  ERR_clear_error();
  return verified == 1;
}

void SigningKey::PrivateKeyDeleter::operator()(evp_pkey_st* key) const noexcept {
  EVP_PKEY_free(key);
}

Result<SigningKey> SigningKey::of(std::string_view name, PrivateKey key) {
  PublicKey raw;
  std::size_t size = raw.size();
  TRV_ASSERT(EVP_PKEY_get_raw_public_key(key.get(), raw.data(), &size) == 1 && size == raw.size());
  TRV_TRY_ASSIGN(VerifierKey verifier, VerifierKey::of(name, raw));
  return SigningKey(std::move(verifier), std::move(key));
}

Result<SigningKey> SigningKey::generate(std::string_view name, base::Random& random) {
  Seed seed;
  random.fill(seed);
  auto key = from_seed(name, seed);
  OPENSSL_cleanse(seed.data(), seed.size());
  return key;
}

Result<SigningKey> SigningKey::from_seed(std::string_view name, const Seed& seed) {
  PrivateKey key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  TRV_ASSERT(key != nullptr);
  return of(name, std::move(key));
}

Result<SigningKey> SigningKey::from_pem(std::string_view name, std::string_view pem) {
  if (pem.size() > pem_bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("signing key of \"{}\": {} bytes of PEM; at most {} are accepted", name, pem.size(),
                                  pem_bytes_max));
  }
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  TRV_ASSERT(bio != nullptr);
  PrivateKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (key == nullptr || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) {
    return base::fail(ErrorCode::invalid,
                      fmt::format("signing key of \"{}\": not an unencrypted Ed25519 key in PEM PKCS#8", name));
  }
  return of(name, std::move(key));
}

Result<SigningKey> SigningKey::named(std::string_view name) const {
  TRV_ASSERT(EVP_PKEY_up_ref(key_.get()) == 1);
  return of(name, PrivateKey(key_.get()));
}

std::string SigningKey::to_pem() const {
  const Bio bio(BIO_new(BIO_s_secmem()));
  TRV_ASSERT(bio != nullptr);
  TRV_ASSERT(PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  TRV_ASSERT(size > 0);
  return {data, static_cast<std::size_t>(size)};
}

Signature SigningKey::sign(std::string_view message) const {
  const Context context(EVP_MD_CTX_new());
  TRV_ASSERT(context != nullptr);
  TRV_ASSERT(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1);
  Signature signature;
  std::size_t size = signature.size();
  TRV_ASSERT(EVP_DigestSign(context.get(), signature.data(), &size, octets(message), message.size()) == 1);
  TRV_ENSURES(size == signature.size());
  return signature;
}

}  // namespace trv::note
