#pragma once
// A signing key in a file: PEM PKCS#8, mode 0600, in a folder that exists.

#include <filesystem>

#include "audit/note/key.hpp"

namespace trv::note {

/// Reads the key at `path`, or makes one there. A new key is durable before this returns: it is written aside, synced,
/// put in place without ever replacing a file, and its folder synced; of several processes that try at once, all get
/// the same key. Error: denied where group or others can read the file, invalid where it holds no key, unavailable
/// where the file system fails; the message names the path.
[[nodiscard]] Result<SigningKey> load_or_create(const std::filesystem::path& path, std::string_view name,
                                                base::Random& random);

}  // namespace trv::note
