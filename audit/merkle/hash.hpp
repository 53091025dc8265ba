#pragma once
// The hashes of RFC 6962 §2.1 (unchanged in RFC 9162 §2.1.1) over SHA-256. Pure; any thread.

#include "sdk/base/bytes.hpp"
#include "sdk/base/digest.hpp"

namespace trv::merkle {

using base::BytesView;
using base::Digest;

/// SHA-256(0x00 ‖ entry).
[[nodiscard]] Digest leaf_hash(BytesView entry);
/// SHA-256(0x01 ‖ left ‖ right).
[[nodiscard]] Digest node_hash(const Digest& left, const Digest& right);
/// The root of the tree without leaves: SHA-256 of nothing.
[[nodiscard]] Digest empty_root();

}  // namespace trv::merkle
