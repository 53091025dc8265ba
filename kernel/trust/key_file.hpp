#pragma once
// The secret keys of publishers and certifiers as files: one line with the public key, then the key as PEM (PKCS#8).
// Mode 0600. Any thread.

#include <filesystem>

#include "audit/note/key.hpp"
#include "sdk/base/random.hpp"
#include "sdk/base/result.hpp"

namespace trv::trust {

/// Makes a key in a new file; it is durable on return. Errors: invalid (a bad name), conflict (there is a file),
/// unavailable.
[[nodiscard]] base::Result<note::SigningKey> make_key_file(const std::filesystem::path& path, std::string_view name,
                                                           base::Random& random);

/// Errors: not_found, denied (group or others can read it), invalid (not such a file), unavailable.
[[nodiscard]] base::Result<note::SigningKey> read_key_file(const std::filesystem::path& path);

}  // namespace trv::trust
