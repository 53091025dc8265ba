#pragma once
// A secret sealed under a key: AES-256-GCM, so that it is neither read nor changed without the key.
//
//   "TRVS", version 1 (one byte), nonce (12 bytes), ciphertext, tag (16 bytes)
//
// docs/formats/keys.md. Functions of values; any thread.

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "sdk/base/bytes.hpp"

namespace trv::keys {

inline constexpr std::size_t sealing_key_bytes = 32;
inline constexpr std::size_t sealed_overhead_bytes = 33;

using SealingKey = std::array<std::uint8_t, sealing_key_bytes>;
/// Random, and never used twice under one key.
using Nonce = std::array<std::uint8_t, 12>;

/// `additional` is not stored: it says what the secret is, and opens nothing but that.
[[nodiscard]] base::Bytes seal(const SealingKey& key, const Nonce& nonce, std::string_view additional,
                               base::BytesView secret);

/// nullopt: another key, other additional data, or changed bytes.
[[nodiscard]] std::optional<std::string> unseal(const SealingKey& key, std::string_view additional,
                                                base::BytesView sealed);

/// Whether the bytes begin as seal() has them begin.
[[nodiscard]] bool is_sealed(base::BytesView bytes) noexcept;

}  // namespace trv::keys
