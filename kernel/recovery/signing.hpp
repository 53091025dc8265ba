#pragma once
// The key that signs the segments of an installation: keys/backup.pem, beside the other keys.

#include <filesystem>

#include "audit/note/key.hpp"
#include "events/keys/cluster_key.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"

namespace trv::recovery {

/// Reads it from `<beside>/keys/backup.pem`, or makes it there. `cluster`: as keys::load_or_create. Errors: the same;
/// invalid where the file holds another thing.
[[nodiscard]] base::Result<note::SigningKey> open_signing_key(const std::filesystem::path& beside,
                                                              const keys::ClusterKey* cluster, base::Random& random);

}  // namespace trv::recovery
