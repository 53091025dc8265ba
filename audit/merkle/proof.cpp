#include "audit/merkle/proof.hpp"

#include <bit>
#include <string>

namespace trv::merkle {
namespace {

using base::ErrorCode;
using base::Status;

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

std::string difference(const char* what, std::uint64_t size, const Digest& proven, const Digest& claimed) {
  return std::string("the proof leads to ") + what + " " + base::to_hex(proven) + " for size " + number(size) +
         ", but the claimed one is " + base::to_hex(claimed);
}

// The walk's place: `path` is the position at its level, `last` that of the rightmost node of the level.
struct Walk {
  std::uint64_t path;
  std::uint64_t last;

  [[nodiscard]] bool joins_from_right() const { return (path & 1) == 1 || path == last; }

  // Goes up past the levels where the rightmost node has no sibling.
  void skip_missing_siblings() {
    while ((path & 1) == 0 && path != 0) {
      up();
    }
  }
  void up() {
    path >>= 1;
    last >>= 1;
  }
};

}  // namespace

Status verify_inclusion(std::uint64_t index, std::uint64_t size, const Digest& leaf, std::span<const Digest> proof,
                        const Digest& root) {
  if (index >= size) {
    return base::fail(ErrorCode::invalid, "leaf " + number(index) + " is not in a tree of " + number(size) + " leaves");
  }
  Walk walk{.path = index, .last = size - 1};
  Digest hash = leaf;
  for (const Digest& sibling : proof) {
    if (walk.last == 0) {
      return base::fail(ErrorCode::invalid, "the inclusion proof of leaf " + number(index) + " in a tree of " +
                                                number(size) + " leaves is too long: " + number(proof.size()) +
                                                " hashes");
    }
    if (walk.joins_from_right()) {
      hash = node_hash(sibling, hash);
      walk.skip_missing_siblings();
    } else {
      hash = node_hash(hash, sibling);
    }
    walk.up();
  }
  if (walk.last != 0) {
    return base::fail(ErrorCode::invalid, "the inclusion proof of leaf " + number(index) + " in a tree of " +
                                              number(size) + " leaves is too short: " + number(proof.size()) +
                                              " hashes");
  }
  if (hash != root) {
    return base::fail(ErrorCode::unauthenticated,
                      "leaf " + number(index) + ": " + difference("root", size, hash, root));
  }
  return {};
}

Status verify_consistency(std::uint64_t old_size, std::uint64_t new_size, const Digest& old_root,
                          const Digest& new_root, std::span<const Digest> proof) {
  if (old_size > new_size) {
    return base::fail(ErrorCode::invalid, "the new size " + number(new_size) + " is below the old size " +
                                              number(old_size) + ": the tree has shrunk");
  }
  if (old_size == 0 && old_root != empty_root()) {
    return base::fail(ErrorCode::unauthenticated,
                      "the old root " + base::to_hex(old_root) + " is not that of an empty tree");
  }
  if (old_size == 0 || old_size == new_size) {
    if (!proof.empty()) {
      return base::fail(ErrorCode::invalid, "the consistency proof from size " + number(old_size) + " to " +
                                                number(new_size) + " must be empty, but has " + number(proof.size()) +
                                                " hashes");
    }
    if (old_size == new_size && old_root != new_root) {
      return base::fail(ErrorCode::unauthenticated, "two roots for one size " + number(new_size) + ": " +
                                                        base::to_hex(old_root) + " and " + base::to_hex(new_root));
    }
    return {};
  }
  Walk walk{.path = old_size - 1, .last = new_size - 1};
  while ((walk.path & 1) == 1) {
    walk.up();
  }
  // An old tree that is one complete subtree is its own starting point, and the proof leaves it out.
  const bool starts_at_old_root = std::has_single_bit(old_size);
  if (proof.empty()) {
    return base::fail(ErrorCode::invalid,
                      "the consistency proof from size " + number(old_size) + " to " + number(new_size) + " is empty");
  }
  Digest old_hash = starts_at_old_root ? old_root : proof.front();
  Digest new_hash = old_hash;
  for (const Digest& sibling : proof.subspan(starts_at_old_root ? 0 : 1)) {
    if (walk.last == 0) {
      return base::fail(ErrorCode::invalid, "the consistency proof from size " + number(old_size) + " to " +
                                                number(new_size) + " is too long: " + number(proof.size()) + " hashes");
    }
    if (walk.joins_from_right()) {
      old_hash = node_hash(sibling, old_hash);
      new_hash = node_hash(sibling, new_hash);
      walk.skip_missing_siblings();
    } else {
      new_hash = node_hash(new_hash, sibling);
    }
    walk.up();
  }
  if (walk.last != 0) {
    return base::fail(ErrorCode::invalid, "the consistency proof from size " + number(old_size) + " to " +
                                              number(new_size) + " is too short: " + number(proof.size()) + " hashes");
  }
  if (old_hash != old_root) {
    return base::fail(ErrorCode::unauthenticated, difference("the old root", old_size, old_hash, old_root));
  }
  if (new_hash != new_root) {
    return base::fail(ErrorCode::unauthenticated, difference("the new root", new_size, new_hash, new_root));
  }
  return {};
}

}  // namespace trv::merkle
