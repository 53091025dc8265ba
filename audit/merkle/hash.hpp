#pragma once
// The hashes of RFC 6962 §2.1 (unchanged in RFC 9162 §2.1.1) over SHA-256. Pure; any thread.

#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"

namespace trv::merkle {

using base::BytesView;
using base::Digest;

/// What is hashed before an entry and before two nodes.
inline constexpr std::uint8_t leaf_prefix = 0x00;
inline constexpr std::uint8_t node_prefix = 0x01;

/// SHA-256(leaf_prefix ‖ entry).
[[nodiscard]] Digest leaf_hash(BytesView entry);
/// SHA-256(node_prefix ‖ left ‖ right).
[[nodiscard]] Digest node_hash(const Digest& left, const Digest& right);
/// The root of the tree without leaves: SHA-256 of nothing.
[[nodiscard]] Digest empty_root();

}  // namespace trv::merkle
