#pragma once
// Growing a tree, and what can be read from its nodes: roots and proofs (RFC 6962 §2.1).
//
// The functions hold no state; the store does. Sizes are numbers of leaves, below 2^63. A node that the size demands
// and the store lacks is an Error corrupt that names it. Thread rule: that of the store.

#include <cstdint>
#include <span>
#include <vector>

#include "audit/merkle/nodes.hpp"

namespace trv::merkle {

/// A tree has fewer leaves than this.
inline constexpr std::uint64_t size_max = std::uint64_t{1} << 63;

struct Appended {
  std::uint64_t size = 0;           ///< leaves after the append
  std::uint32_t nodes_written = 0;  ///< the leaf and the subtrees that it completed; 2 on average
};

/// Adds the leaf at index `size`: puts its hash and every subtree that it completes. size < size_max.
[[nodiscard]] Result<Appended> append(NodeWriter& nodes, std::uint64_t size, const Digest& leaf);

/// The root of the tree of the first `size` leaves; empty_root() for 0.
[[nodiscard]] Result<Digest> root(const NodeReader& nodes, std::uint64_t size);

/// The hash over the leaves [begin, end). begin < end, and begin a multiple of the smallest power of two not below
/// end − begin, as in every subtree of RFC 6962.
[[nodiscard]] Result<Digest> subtree_root(const NodeReader& nodes, std::uint64_t begin, std::uint64_t end);

/// PATH(index, D[size]), the leaf's sibling first. Error: invalid unless index < size.
[[nodiscard]] Result<std::vector<Digest>> inclusion_proof(const NodeReader& nodes, std::uint64_t index,
                                                          std::uint64_t size);

/// PROOF(old_size, D[new_size]). Empty for equal sizes and for old_size 0, since every tree extends the empty one.
/// Error: invalid unless old_size <= new_size.
[[nodiscard]] Result<std::vector<Digest>> consistency_proof(const NodeReader& nodes, std::uint64_t old_size,
                                                            std::uint64_t new_size);

/// The right edge of a growing tree: the roots of the complete subtrees that its leaves split into, largest first. It
/// is all that is needed to go on growing and to know the root, in at most 64 hashes. One thread.
class Frontier {
 public:
  Frontier() = default;
  /// Takes up a tree at `size`. edge.size() == popcount(size).
  Frontier(std::uint64_t size, std::span<const Digest> edge);

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] std::span<const Digest> edge() const noexcept { return {edge_.data(), depth_}; }
  [[nodiscard]] Digest root() const;

  /// Adds a leaf and calls on_node(NodeAddress, const Digest&) for it and for each subtree that it completes, bottom
  /// up. size() < size_max.
  template <typename OnNode>
  void append(const Digest& leaf, OnNode&& on_node) {
    NodeAddress address{.level = 0, .index = size_};
    Digest hash = leaf;
    on_node(address, hash);
    while ((address.index & 1) == 1) {
      hash = node_hash(edge_[--depth_], hash);
      address = {.level = address.level + 1, .index = address.index >> 1};
      on_node(address, hash);
    }
    edge_[depth_++] = hash;
    ++size_;
  }
  void append(const Digest& leaf) {
    append(leaf, [](NodeAddress, const Digest&) {});
  }

 private:
  std::uint64_t size_ = 0;
  std::size_t depth_ = 0;
  std::array<Digest, 64> edge_{};
};

/// The frontier of the first `size` leaves of a store.
[[nodiscard]] Result<Frontier> frontier(const NodeReader& nodes, std::uint64_t size);

}  // namespace trv::merkle
