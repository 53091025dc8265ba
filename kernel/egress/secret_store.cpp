#include "kernel/egress/secret_store.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <vector>

#include "events/backup/backup.hpp"
#include "events/keys/key_file.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"
#include "sdk/base/file_age.hpp"

namespace trv::egress {
namespace {

using base::Bytes;
using base::BytesView;
using base::ErrorCode;

constexpr std::size_t reference_bytes = 16;
constexpr std::string_view key_name = "master.key";

std::string additional_data(const base::TenantId& tenant, std::string_view reference) {
  std::string data = tenant.value();
  data.push_back('\0');
  data.append(reference);
  return data;
}

bool is_reference(std::string_view text) {
  return text.size() == 2 * reference_bytes &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

base::Status make_folder(const std::filesystem::path& folder) {
  if (::mkdir(folder.c_str(), 0700) == 0) return base::sync_folder(folder.parent_path());
  if (errno == EEXIST) return {};
  return base::fail(ErrorCode::unavailable, fmt::format("cannot make folder '{}': {}", folder.string(),
                                                        std::generic_category().message(errno)));
}

bool holds_folders(const std::filesystem::path& folder) {
  std::error_code error;
  const std::filesystem::directory_iterator entries(folder, error);
  return !error && std::ranges::any_of(entries, [](const auto& entry) {
    std::error_code ignored;
    return entry.is_directory(ignored);
  });
}

}  // namespace

base::Result<std::unique_ptr<SecretStore>> SecretStore::open(std::filesystem::path folder,
                                                             const keys::ClusterKey* cluster, base::Random& random) {
  std::error_code error;
  folder = std::filesystem::absolute(folder, error).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  std::filesystem::create_directories(folder.parent_path(), error);
  TRV_TRY(make_folder(folder));
  const std::filesystem::path key_path = folder / key_name;
  const auto make = [&]() -> base::Result<std::string> {
    if (holds_folders(folder)) {
      return base::fail(ErrorCode::corrupt,
                        fmt::format("'{}' is missing, and '{}' holds secrets sealed under it; restore the key file",
                                    key_path.string(), folder.string()));
    }
    keys::SealingKey fresh{};
    random.fill(fresh);
    std::string text(base::as_text(fresh));
    OPENSSL_cleanse(fresh.data(), fresh.size());
    return text;
  };
  TRV_TRY_ASSIGN(std::string stored, keys::load_or_create(key_path, make, cluster, random));
  keys::SealingKey key{};
  const bool is_key = stored.size() == key.size();
  if (is_key) std::ranges::copy(stored, key.begin());
  OPENSSL_cleanse(stored.data(), stored.size());
  if (!is_key) {
    return base::fail(ErrorCode::corrupt,
                      fmt::format("'{}' is not a key of {} bytes; restore it", key_path.string(), key.size()));
  }
  return std::unique_ptr<SecretStore>(new SecretStore(std::move(folder), key, random));
}

SecretStore::SecretStore(std::filesystem::path folder, const keys::SealingKey& key, base::Random& random)
    : folder_(std::move(folder)), key_(key), random_(random) {}

SecretStore::~SecretStore() {
  OPENSSL_cleanse(key_.data(), key_.size());
}

base::Result<std::string> SecretStore::put(const base::TenantId& tenant, std::string_view secret) {
  TRV_TRY(base::check_label("tenant", tenant.value()));
  if (secret.empty()) return base::fail(ErrorCode::invalid, "the secret is empty");
  if (secret.size() > secret_bytes_max) {
    return base::fail(ErrorCode::too_large,
                      fmt::format("the secret has {} bytes, at most {} are kept", secret.size(), secret_bytes_max));
  }
  std::array<std::uint8_t, reference_bytes> id{};
  keys::Nonce nonce{};
  std::string reference;
  {
    const std::lock_guard lock(put_mutex_);
    random_.fill(id);
    random_.fill(nonce);
    reference = base::to_hex(id);
  }
  const Bytes sealed = keys::seal(key_, nonce, additional_data(tenant, reference), base::as_bytes(secret));
  const std::filesystem::path folder = folder_ / tenant.value();
  TRV_TRY(make_folder(folder));
  TRV_TRY(base::write_file(folder / reference, fmt::format(".{}", reference), sealed, 0600));
  return reference;
}

base::Result<std::string> SecretStore::reveal(const base::TenantId& tenant, std::string_view reference) {
  TRV_TRY(base::check_label("tenant", tenant.value()));
  if (!is_reference(reference)) return base::fail(ErrorCode::not_found, "no such secret");
  const std::filesystem::path path = folder_ / tenant.value() / reference;
  base::Result<Bytes> sealed = read_sealed(tenant, reference);
  if (!sealed && sealed.error().code() == ErrorCode::not_found) {
    return base::fail(ErrorCode::not_found, fmt::format("no such secret: '{}'", path.string()));
  }
  if (!sealed && sealed.error().code() == ErrorCode::unavailable) return base::fail(std::move(sealed).error());
  std::optional<std::string> secret;
  if (sealed) secret = keys::unseal(key_, additional_data(tenant, reference), *sealed);
  if (!secret) {
    return base::fail(ErrorCode::corrupt,
                      fmt::format("'{}' does not open: its bytes have changed, or '{}' is not the key it was sealed "
                                  "under; set the secret again",
                                  path.string(), (folder_ / key_name).string()));
  }
  return *std::move(secret);
}

// The file first: replace() keeps the bytes before it removes the file.
base::Result<Bytes> SecretStore::read_sealed(const base::TenantId& tenant, std::string_view reference) {
  base::Result<Bytes> sealed = base::read_file(folder_ / tenant.value() / reference, secret_bytes_max + 64);
  if (sealed || sealed.error().code() != ErrorCode::not_found) return sealed;
  const std::lock_guard lock(replaced_mutex_);
  const auto kept = std::ranges::find_if(
      replaced_, [&](const auto& one) { return one.first.tenant == tenant && one.first.reference == reference; });
  if (kept != replaced_.end()) return kept->second;
  return sealed;
}

base::Status SecretStore::remove(const base::TenantId& tenant, std::string_view reference) {
  TRV_TRY(base::check_label("tenant", tenant.value()));
  // While a backup is under way the file stays, and goes with remove_unreferenced() later.
  if (!is_reference(reference) || leaves_removals_ || backup::is_running(folder_.parent_path())) return {};
  const std::filesystem::path path = folder_ / tenant.value() / reference;
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return base::fail(ErrorCode::unavailable,
                      fmt::format("cannot remove '{}': {}", path.string(), std::generic_category().message(errno)));
  }
  return base::sync_folder(path.parent_path());
}

base::Status SecretStore::replace(const base::TenantId& tenant, std::string_view reference) {
  TRV_TRY(base::check_label("tenant", tenant.value()));
  if (!is_reference(reference)) return {};
  if (base::Result<Bytes> sealed = base::read_file(folder_ / tenant.value() / reference, secret_bytes_max + 64)) {
    const std::lock_guard lock(replaced_mutex_);
    replaced_.emplace_back(SecretReference{tenant, std::string(reference)}, *std::move(sealed));
    if (replaced_.size() > replaced_kept_max) replaced_.pop_front();
  }
  return remove(tenant, reference);
}

base::Result<std::size_t> SecretStore::remove_unreferenced(const std::set<SecretReference>& referenced,
                                                           base::Timestamp now) {
  const auto failed = [](const std::filesystem::path& folder, const std::error_code& error) {
    return base::fail(ErrorCode::unavailable,
                      fmt::format("cannot read folder '{}': {}", folder.string(), error.message()));
  };
  std::size_t removed = 0;
  std::error_code error;
  const std::filesystem::directory_iterator tenants(folder_, error);
  if (error) return failed(folder_, error);
  for (const auto& folder : tenants) {
    if (!folder.is_directory(error)) continue;
    const std::string tenant = folder.path().filename().string();
    std::vector<std::string> doomed;
    const std::filesystem::directory_iterator secrets(folder.path(), error);
    if (error) return failed(folder.path(), error);
    for (const auto& secret : secrets) {
      std::string name = secret.path().filename().string();
      // Only what the store itself has written is its to remove.
      const bool unfinished = name.starts_with('.') && is_reference(std::string_view(name).substr(1));
      if (!unfinished && !is_reference(name)) continue;
      const SecretReference reference{base::TenantId(tenant), name.substr(unfinished ? 1 : 0)};
      if (!unfinished && referenced.contains(reference)) continue;
      TRV_TRY_ASSIGN(const bool is_old, base::is_older(secret.path(), now));
      if (is_old) doomed.push_back(std::move(name));
    }
    for (const std::string& name : doomed) {
      std::filesystem::remove(folder.path() / name, error);
      if (error) {
        return base::fail(ErrorCode::unavailable,
                          fmt::format("cannot remove '{}': {}", (folder.path() / name).string(), error.message()));
      }
      if (!name.starts_with('.')) ++removed;
    }
    if (!doomed.empty()) TRV_TRY(base::sync_folder(folder.path()));
  }
  return removed;
}

}  // namespace trv::egress
