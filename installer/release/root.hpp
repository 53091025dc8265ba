#pragma once
// Who may release: root files, each signed by a threshold of its own root keys and of those before it.
// docs/formats/bundle.md, "Root files".
//
// Values; any thread.

#include <string>
#include <string_view>
#include <vector>

#include "installer/release/signatures.hpp"
#include "sdk/base/result.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::release {

inline constexpr std::size_t root_bytes_max = 100'000;

struct RootKey {
  std::string id;
  base::Bytes key;  ///< 32 bytes, Ed25519
};

struct ReleaseKeys {
  base::Bytes ed25519;
  base::Bytes p256;
  OpenPgpKey openpgp;
};

struct Root {
  int version = 0;  ///< from 1
  base::Timestamp expires;
  std::size_t threshold = 0;
  std::vector<RootKey> root_keys;
  ReleaseKeys release_keys;
  std::vector<std::string> release_key_ids;
  std::vector<std::string> revoked;  ///< ids of release keys that count no more

  /// Error: invalid, also where its own keys cannot reach the threshold or a release key is revoked.
  [[nodiscard]] static base::Result<Root> parse(std::string_view text);
};

/// A root file's text and its signatures' text, as they are in a bundle.
struct SignedRoot {
  std::string text;
  std::string signatures;
};

/// Whether `next` was signed by the threshold of its own keys and, where there is a root before it, by that one's too,
/// with exactly its version + 1. Errors: invalid, unauthenticated.
[[nodiscard]] base::Result<Root> follow(const Root* before, const SignedRoot& next);

}  // namespace trv::release
