#include "events/keys/key_file.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"

namespace trv::keys {
namespace {

using base::ErrorCode;
using std::filesystem::path;

constexpr std::size_t file_bytes_max = 16'384;

SealingKey sealing_key(const ClusterKey& cluster) {
  return cluster.derive("seal");
}

/// So that one key file in the place of another does not open.
std::string additional_data(const path& file) {
  return "key file " + file.filename().string();
}

/// What a file stores; null: in the clear.
base::Bytes sealed_under(const ClusterKey* cluster, const path& file, std::string_view secret, base::Random& random) {
  if (cluster == nullptr) return base::to_bytes(secret);
  Nonce nonce{};
  random.fill(nonce);
  return seal(sealing_key(*cluster), nonce, additional_data(file), base::as_bytes(secret));
}

base::Result<std::string> opened(const path& file, base::BytesView stored, const ClusterKey* cluster) {
  if (cluster == nullptr) {
    if (!is_sealed(stored)) return std::string(base::as_text(stored));
    return base::fail(
        ErrorCode::conflict,
        fmt::format("{} is sealed under the key of a cluster; set node.address and node.cluster_key_file, or "
                    "choose another folder. Where it was copied for a travd that is alone, run `trav cluster unseal`",
                    file.string()));
  }
  if (!is_sealed(stored)) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("{} is not sealed under {}; where it comes from a node that was alone, seal it with "
                                  "`trav cluster seal`",
                                  file.string(), cluster->name()));
  }
  if (auto secret = unseal(sealing_key(*cluster), additional_data(file), stored)) return *std::move(secret);
  return base::fail(ErrorCode::corrupt,
                    fmt::format("{} does not open under {}: it was sealed under another cluster key, or its bytes have "
                                "changed. Copy the key file of the nodes that use this folder, or restore {} from a "
                                "backup",
                                file.string(), cluster->name(), file.string()));
}

}  // namespace

base::Result<base::Bytes> read_private_file(const path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return base::fail(errno == ENOENT ? ErrorCode::not_found : ErrorCode::unavailable,
                      fmt::format("cannot read {}: {}", path.string(), std::generic_category().message(errno)));
  }
  if (!S_ISREG(status.st_mode)) {
    return base::fail(ErrorCode::invalid, fmt::format("{} is not a regular file", path.string()));
  }
  if ((status.st_mode & 077) != 0) {
    return base::fail(ErrorCode::denied, fmt::format("{} has mode {:04o}; group and others must have no access. Run: "
                                                     "chmod 600 {}",
                                                     path.string(), status.st_mode & 07777, path.string()));
  }
  return base::read_file(path, file_bytes_max);
}

base::Result<bool> place_private_file(const path& path, std::string_view content, base::Random& random) {
  const std::string aside = fmt::format("{}.new-{:016x}", path.filename().string(), random.next());
  auto placed = base::create_file(path, aside, base::as_bytes(content), 0600);
  if (!placed) return base::fail(ErrorCode::unavailable, placed.error().message());
  return placed;
}

base::Result<std::string> load_or_create(const path& path, const std::function<base::Result<std::string>()>& make,
                                         const ClusterKey* cluster, base::Random& random) {
  TRV_EXPECTS(make != nullptr);
  for (int attempt = 0; attempt < 2; ++attempt) {
    base::Result<base::Bytes> stored = read_private_file(path);
    if (stored) {
      auto secret = opened(path, *stored, cluster);
      OPENSSL_cleanse(stored->data(), stored->size());
      return secret;
    }
    if (stored.error().code() != ErrorCode::not_found) return base::fail(std::move(stored).error());
    TRV_TRY_ASSIGN(std::string secret, make());
    const base::Bytes content = sealed_under(cluster, path, secret, random);
    const auto placed = place_private_file(path, base::as_text(content), random);
    if (placed && *placed) return secret;
    OPENSSL_cleanse(secret.data(), secret.size());
    if (!placed) return base::fail(placed.error());
  }
  return base::fail(ErrorCode::unavailable,
                    fmt::format("{} is created and removed by another program at the same time", path.string()));
}

base::Result<Resealed> reseal(const path& path, const ClusterKey* to, const ClusterKey* from, base::Random& random) {
  TRV_EXPECTS(to != nullptr || from != nullptr);
  TRV_TRY_ASSIGN(const base::Bytes stored, read_private_file(path));
  if (auto known = opened(path, stored, to)) {
    OPENSSL_cleanse(known->data(), known->size());
    return Resealed::already;
  }
  const ClusterKey* const before = from == nullptr ? to : from;
  TRV_TRY_ASSIGN(std::string secret, opened(path, stored, is_sealed(stored) ? before : nullptr));
  const base::Bytes content = sealed_under(to, path, secret, random);
  OPENSSL_cleanse(secret.data(), secret.size());
  TRV_TRY(
      base::write_file(path, fmt::format("{}.new-{:016x}", path.filename().string(), random.next()), content, 0600));
  return Resealed::now;
}

}  // namespace trv::keys
