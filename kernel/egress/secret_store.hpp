#pragma once
// Secrets of tenants, sealed in files. Events hold references to them, never the secrets.
//
//   <folder>/master.key               32 random bytes, mode 0600, made at the first start
//   <folder>/<tenant>/<reference>     "TRVS", version 1 (one byte), nonce (12 bytes), ciphertext, tag (16 bytes)
//
// AES-256-GCM under the master key; the additional data is tenant, NUL, reference, so a file moved to another tenant or
// name does not open. A reference is 32 hexadecimal digits of randomness and is never used twice.
//
// Any thread. What put() returned is durable: file and folder are synced. Who holds the master key and the folder holds
// the secrets: back them up apart.

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "kernel/egress/connection.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"

namespace trv::egress {

inline constexpr std::size_t secret_bytes_max = 65'536;

class SecretStore final : public SecretSource {
 public:
  /// Makes the folder and the master key where they are missing. `random` outlives the store.
  /// Errors: denied (the key file can be read by others), corrupt (not a key; or secrets stand without their key),
  /// unavailable (the disk failed).
  [[nodiscard]] static base::Result<std::unique_ptr<SecretStore>> open(std::filesystem::path folder,
                                                                       base::Random& random);
  ~SecretStore() override;
  SecretStore(const SecretStore&) = delete;
  SecretStore& operator=(const SecretStore&) = delete;

  /// Returns the reference. Errors: invalid (tenant; empty secret), too_large, unavailable (the disk failed).
  [[nodiscard]] base::Result<std::string> put(const base::TenantId& tenant, std::string_view secret);

  /// Errors: not_found, corrupt (changed bytes or another master key; names the file), unavailable.
  [[nodiscard]] base::Result<std::string> reveal(const base::TenantId& tenant, std::string_view reference) override;

  /// Forgets a secret; removing what is not there succeeds. Errors: invalid (tenant), unavailable.
  [[nodiscard]] base::Status remove(const base::TenantId& tenant, std::string_view reference);

 private:
  using Key = std::array<std::uint8_t, 32>;
  SecretStore(std::filesystem::path folder, const Key& key, base::Random& random);

  std::filesystem::path folder_;
  Key key_;
  std::mutex random_mutex_;
  base::Random& random_;
};

}  // namespace trv::egress
