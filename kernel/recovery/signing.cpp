#include "kernel/recovery/signing.hpp"

#include <openssl/crypto.h>

#include "events/keys/key_file.hpp"

namespace trv::recovery {

base::Result<note::SigningKey> open_signing_key(const std::filesystem::path& beside, const keys::ClusterKey* cluster,
                                                base::Random& random) {
  constexpr std::string_view name = "travertine-backup";
  const std::filesystem::path file = beside / "keys" / "backup.pem";
  const auto make = [&]() -> base::Result<std::string> {
    TRV_TRY_ASSIGN(const note::SigningKey key, note::SigningKey::generate(name, random));
    return key.to_pem();
  };
  TRV_TRY_ASSIGN(std::string pem, keys::load_or_create(file, make, cluster, random));
  auto key = note::SigningKey::from_pem(name, pem);
  OPENSSL_cleanse(pem.data(), pem.size());
  if (!key) return base::fail(std::move(key).error().in(file.string()));
  return key;
}

}  // namespace trv::recovery
