#pragma once
// Checking proofs: the iterative verifiers of RFC 9162 §2.1.3.2 and §2.1.4.2. Pure; any thread; every number and every
// hash may come from an enemy. Work is linear in the proof, which a valid one keeps below 128 hashes.
//
// Error: unauthenticated where the proof does not lead to the root, invalid where it cannot belong to the sizes. The
// message says what does not match.

#include <cstdint>
#include <span>

#include "audit/merkle/hash.hpp"
#include "sdk/base/result.hpp"

namespace trv::merkle {

/// That the leaf is at `index` in the tree of `size` leaves that has this root.
[[nodiscard]] base::Status verify_inclusion(std::uint64_t index, std::uint64_t size, const Digest& leaf,
                                            std::span<const Digest> proof, const Digest& root);

/// That the tree (new_size, new_root) has the tree (old_size, old_root) as its beginning.
///
/// Sizes of 0: RFC 9162 leaves them open and libraries differ. Here the empty tree has one root, empty_root(), and it
/// is the beginning of every tree, with an empty proof; another old root or a proof with hashes is refused. Equal sizes
/// want an empty proof and equal roots.
[[nodiscard]] base::Status verify_consistency(std::uint64_t old_size, std::uint64_t new_size, const Digest& old_root,
                                              const Digest& new_root, std::span<const Digest> proof);

}  // namespace trv::merkle
