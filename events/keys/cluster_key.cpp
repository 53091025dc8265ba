#include "events/keys/cluster_key.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>

#include "events/keys/key_file.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/file.hpp"

namespace trv::keys {
namespace {

using base::ErrorCode;

constexpr std::string_view prefix = "trvck1_";
constexpr std::size_t id_bytes = 8;

}  // namespace

base::Result<ClusterKey> ClusterKey::load(const std::filesystem::path& path) {
  base::Result<base::Bytes> file = read_private_file(path);
  if (!file && file.error().code() == ErrorCode::not_found) {
    return base::fail(ErrorCode::not_found,
                      fmt::format("cluster key {} does not exist; copy it from another node, or make it with `trav "
                                  "cluster key {}` before the first start of the first node",
                                  path.string(), path.string()));
  }
  if (!file) return base::fail(std::move(file).error().in("cluster key"));
  std::string_view text = base::as_text(*file);
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::optional<base::Bytes> bytes;
  if (text.starts_with(prefix)) bytes = base::from_hex(text.substr(prefix.size()));
  OPENSSL_cleanse(file->data(), file->size());
  if (!bytes || bytes->size() != sealing_key_bytes) {
    return base::fail(ErrorCode::corrupt,
                      fmt::format("cluster key {} is not a line of '{}' and {} hexadecimal digits; copy it again from "
                                  "another node",
                                  path.string(), prefix, 2 * sealing_key_bytes));
  }
  SealingKey key{};
  std::ranges::copy(*bytes, key.begin());
  OPENSSL_cleanse(bytes->data(), bytes->size());
  ClusterKey loaded(path, key);
  OPENSSL_cleanse(key.data(), key.size());
  return loaded;
}

base::Result<ClusterKey> ClusterKey::create(const std::filesystem::path& path, base::Random& random) {
  SealingKey key{};
  random.fill(key);
  std::string text = fmt::format("{}{}\n", prefix, base::to_hex(key));
  ClusterKey made(path, key);
  OPENSSL_cleanse(key.data(), key.size());
  const auto placed = place_private_file(path, text, random);
  OPENSSL_cleanse(text.data(), text.size());
  if (!placed) return base::fail(base::Error(placed.error()).in("cluster key"));
  if (!*placed) {
    return base::fail(ErrorCode::conflict,
                      fmt::format("{} exists; a cluster key is not replaced: what it seals would be lost. Name another "
                                  "file, and see `trav cluster seal` for a change of the key",
                                  path.string()));
  }
  return made;
}

ClusterKey::ClusterKey(std::filesystem::path path, const SealingKey& key) : path_(std::move(path)), key_(key) {
  id_ = base::to_hex(base::BytesView(derive("id")).first(id_bytes));
  TRV_ENSURES(id_.size() == 2 * id_bytes);
}

ClusterKey::~ClusterKey() {
  OPENSSL_cleanse(key_.data(), key_.size());
}

base::Digest ClusterKey::derive(std::string_view purpose) const {
  TRV_EXPECTS(!purpose.empty());
  return base::hmac_sha256(key_, base::as_bytes(fmt::format("travertine {}", purpose)));
}

std::string ClusterKey::name() const {
  return fmt::format("{} (cluster key {})", path_.string(), id_);
}

}  // namespace trv::keys
