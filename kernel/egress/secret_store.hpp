#pragma once
// Secrets of tenants, sealed in files. Events hold references to them, never the secrets.
//
//   <folder>/master.key               32 random bytes, made at the first start; a key file
//   <folder>/<tenant>/<reference>     sealed under the master key
//
// docs/formats/keys.md. The additional data is tenant, NUL, reference, so a file moved to another tenant or name does
// not open. A reference is 32 hexadecimal digits of randomness and is never used twice.
//
// Any thread. What put() returned is durable: file and folder are synced. A secret whose reference was never written
// in the log, because the process ended first, goes with remove_unreferenced a day later. Who holds the master key and
// the folder holds the secrets: back them up apart.

#include <array>
#include <atomic>
#include <compare>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "events/keys/cluster_key.hpp"
#include "kernel/egress/connection.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::egress {

inline constexpr std::size_t secret_bytes_max = 65'536;
inline constexpr std::size_t replaced_kept_max = 64;

/// Where a secret is used.
struct SecretReference {
  base::TenantId tenant;
  std::string reference;
  [[nodiscard]] friend auto operator<=>(const SecretReference&, const SecretReference&) = default;
};

class SecretStore final : public SecretSource {
 public:
  /// Makes the folder and the master key where they are missing. `cluster`: as keys::load_or_create. `random` outlives
  /// the store. Errors: as keys::load_or_create; corrupt (not a key; or there are secrets without their key).
  [[nodiscard]] static base::Result<std::unique_ptr<SecretStore>> open(std::filesystem::path folder,
                                                                       const keys::ClusterKey* cluster,
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

  /// Removes a replaced secret from the disk. Requests that took its reference before and wait in line can still
  /// reveal it: the last `replaced_kept_max` stay, sealed, in memory. Errors: as remove.
  [[nodiscard]] base::Status replace(const base::TenantId& tenant, std::string_view reference);

  /// From now on remove() and replace() leave the file to remove_unreferenced(): a backup that is taken later, of an
  /// earlier moment, still needs it.
  void leave_removals() noexcept { leaves_removals_ = true; }

  /// Removes every secret that is not in `referenced`, and what unfinished writes left; what is younger than
  /// base::left_over_after stays, because its record may not be written yet. Returns how many secrets went. Error:
  /// unavailable.
  [[nodiscard]] base::Result<std::size_t> remove_unreferenced(const std::set<SecretReference>& referenced,
                                                              base::Timestamp now);

 private:
  SecretStore(std::filesystem::path folder, const keys::SealingKey& key, base::Random& random);
  [[nodiscard]] base::Result<base::Bytes> read_sealed(const base::TenantId& tenant, std::string_view reference);

  std::atomic<bool> leaves_removals_ = false;
  std::filesystem::path folder_;
  keys::SealingKey key_;
  std::mutex put_mutex_;  ///< of random_
  base::Random& random_;
  std::mutex replaced_mutex_;
  std::deque<std::pair<SecretReference, base::Bytes>> replaced_;  ///< sealed; the newest last
};

}  // namespace trv::egress
