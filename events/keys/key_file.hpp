#pragma once
// The files beside the log that hold a secret key: private to their owner and, where nodes share them, sealed under the
// cluster key.

#include <filesystem>
#include <functional>
#include <string>

#include "events/keys/cluster_key.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"

namespace trv::keys {

/// Reads the key at `path`, or makes one there, with the folder's names synced: it is durable before this returns. Of
/// several processes that try at once, all get the same key; no file is ever replaced. `cluster`: the file is sealed
/// under it; null: it is in the clear. The caller wipes what it gets. Errors: denied where group or others can read the
/// file; conflict where it is sealed and `cluster` is null, or the other way round; corrupt where it does not open
/// under `cluster`; of `make`; unavailable where the file system fails. The message names the path.
[[nodiscard]] base::Result<std::string> load_or_create(const std::filesystem::path& path,
                                                       const std::function<base::Result<std::string>()>& make,
                                                       const ClusterKey* cluster, base::Random& random);

enum class Resealed { already, now };
/// Seals a key file that is in the clear, or sealed under `from`, under `to`; null: puts it in the clear, which needs
/// `from`. Safe to repeat. Errors: as load_or_create; not_found.
[[nodiscard]] base::Result<Resealed> reseal(const std::filesystem::path& path, const ClusterKey* to,
                                            const ClusterKey* from, base::Random& random);

/// A small file that its owner alone can read. Errors: not_found, denied, too_large, invalid (not a regular file),
/// unavailable.
[[nodiscard]] base::Result<base::Bytes> read_private_file(const std::filesystem::path& path);
/// Makes such a file where there is none; false: there is one. Error: unavailable.
[[nodiscard]] base::Result<bool> place_private_file(const std::filesystem::path& path, std::string_view content,
                                                    base::Random& random);

}  // namespace trv::keys
