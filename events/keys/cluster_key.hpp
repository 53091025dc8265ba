#pragma once
// The key that every node of a cluster has: it seals the keys beside the log, and makes the nodes' certificates.
//
// A file of mode 0600 with one line: "trvck1_" and 64 hexadecimal digits. docs/formats/keys.md.

#include <filesystem>
#include <string>
#include <string_view>

#include "events/keys/sealing.hpp"
#include "sdk/base/digest.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"

namespace trv::keys {

/// The memory forgets it with the object. Const calls from any thread.
class ClusterKey {
 public:
  /// Errors: not_found, with how to make one; denied where group or others can read the file; corrupt where it is not
  /// a cluster key; unavailable.
  [[nodiscard]] static base::Result<ClusterKey> load(const std::filesystem::path& path);
  /// Makes one in a file that must not exist yet; durable on return. Errors: conflict where there is a file;
  /// unavailable.
  [[nodiscard]] static base::Result<ClusterKey> create(const std::filesystem::path& path, base::Random& random);
  ClusterKey(ClusterKey&&) noexcept = default;
  ClusterKey(const ClusterKey&) = delete;
  ClusterKey& operator=(const ClusterKey&) = delete;
  ~ClusterKey();

  /// Another key for each purpose; none tells of another, nor of the cluster key.
  [[nodiscard]] base::Digest derive(std::string_view purpose) const;
  /// 16 hexadecimal digits that differ between cluster keys. Not secret.
  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  /// For people.
  [[nodiscard]] std::string name() const;

 private:
  ClusterKey(std::filesystem::path path, const SealingKey& key);

  std::filesystem::path path_;
  SealingKey key_;
  std::string id_;
};

}  // namespace trv::keys
