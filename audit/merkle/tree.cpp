#include "audit/merkle/tree.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "sdk/base/contract.hpp"

namespace trv::merkle {
namespace {

using base::ErrorCode;

Result<Digest> stored(const NodeReader& nodes, NodeAddress address) {
  TRV_TRY_ASSIGN(const std::optional<Digest> found, nodes.node(address));
  if (!found) {
    return base::fail(ErrorCode::corrupt, "tree node " + std::to_string(address.index) + " of level " +
                                              std::to_string(address.level) +
                                              " is missing: the tree has fewer leaves than asked for, or is damaged");
  }
  return *found;
}

Status check_size(std::uint64_t size) {
  if (size >= size_max) {
    return base::fail(ErrorCode::invalid, "tree size " + std::to_string(size) + " is not below 2^63");
  }
  return {};
}

// The largest power of two below n; n >= 2.
std::uint64_t split_point(std::uint64_t n) {
  return std::bit_floor(n - 1);
}

}  // namespace

Result<Appended> append(NodeWriter& nodes, std::uint64_t size, const Digest& leaf) {
  TRV_EXPECTS(size < size_max);
  NodeAddress address{.level = 0, .index = size};
  Digest hash = leaf;
  TRV_TRY(nodes.put(address, hash));
  std::uint32_t written = 1;
  while ((address.index & 1) == 1) {
    TRV_TRY_ASSIGN(const Digest left, stored(nodes, {.level = address.level, .index = address.index - 1}));
    hash = node_hash(left, hash);
    address = {.level = address.level + 1, .index = address.index >> 1};
    TRV_TRY(nodes.put(address, hash));
    ++written;
  }
  return Appended{.size = size + 1, .nodes_written = written};
}

Result<Digest> root(const NodeReader& nodes, std::uint64_t size) {
  TRV_TRY(check_size(size));
  if (size == 0) {
    return empty_root();
  }
  return subtree_root(nodes, 0, size);
}

Result<Digest> subtree_root(const NodeReader& nodes, std::uint64_t begin, std::uint64_t end) {
  TRV_EXPECTS(begin < end && end < size_max);
  const std::uint64_t width = end - begin;
  TRV_EXPECTS(begin % std::bit_ceil(width) == 0);
  if (std::has_single_bit(width)) {
    const auto level = static_cast<std::uint32_t>(std::countr_zero(width));
    return stored(nodes, {.level = level, .index = begin >> level});
  }
  const std::uint64_t middle = begin + split_point(width);
  TRV_TRY_ASSIGN(const Digest left, subtree_root(nodes, begin, middle));
  TRV_TRY_ASSIGN(const Digest right, subtree_root(nodes, middle, end));
  return node_hash(left, right);
}

Result<std::vector<Digest>> inclusion_proof(const NodeReader& nodes, std::uint64_t index, std::uint64_t size) {
  TRV_TRY(check_size(size));
  if (index >= size) {
    return base::fail(ErrorCode::invalid,
                      "leaf " + std::to_string(index) + " is not in a tree of " + std::to_string(size) + " leaves");
  }
  std::vector<Digest> path;
  std::uint64_t begin = 0;
  std::uint64_t end = size;
  while (end - begin > 1) {
    const std::uint64_t middle = begin + split_point(end - begin);
    const bool goes_left = index < middle;
    TRV_TRY_ASSIGN(const Digest sibling,
                   goes_left ? subtree_root(nodes, middle, end) : subtree_root(nodes, begin, middle));
    path.push_back(sibling);
    (goes_left ? end : begin) = middle;
  }
  std::ranges::reverse(path);
  return path;
}

Result<std::vector<Digest>> consistency_proof(const NodeReader& nodes, std::uint64_t old_size, std::uint64_t new_size) {
  TRV_TRY(check_size(new_size));
  if (old_size > new_size) {
    return base::fail(ErrorCode::invalid, "a tree of " + std::to_string(new_size) + " leaves cannot extend one of " +
                                              std::to_string(old_size));
  }
  std::vector<Digest> path;
  if (old_size == 0 || old_size == new_size) {
    return path;
  }
  std::uint64_t begin = 0;
  std::uint64_t end = new_size;
  while (end != old_size) {
    const std::uint64_t middle = begin + split_point(end - begin);
    const bool goes_left = old_size <= middle;
    TRV_TRY_ASSIGN(const Digest sibling,
                   goes_left ? subtree_root(nodes, middle, end) : subtree_root(nodes, begin, middle));
    path.push_back(sibling);
    (goes_left ? end : begin) = middle;
  }
  // The verifier knows the whole old root already; it must be given any other subtree.
  if (begin != 0) {
    TRV_TRY_ASSIGN(const Digest last, subtree_root(nodes, begin, end));
    path.push_back(last);
  }
  std::ranges::reverse(path);
  return path;
}

Frontier::Frontier(std::uint64_t size, std::span<const Digest> edge) : size_(size), depth_(edge.size()) {
  TRV_EXPECTS(size < size_max);
  TRV_EXPECTS(edge.size() == static_cast<std::size_t>(std::popcount(size)));
  std::ranges::copy(edge, edge_.begin());
}

Digest Frontier::root() const {
  if (depth_ == 0) {
    return empty_root();
  }
  Digest hash = edge_[depth_ - 1];
  for (std::size_t i = depth_ - 1; i > 0; --i) {
    hash = node_hash(edge_[i - 1], hash);
  }
  return hash;
}

Result<Frontier> frontier(const NodeReader& nodes, std::uint64_t size) {
  TRV_TRY(check_size(size));
  std::vector<Digest> edge;
  std::uint64_t begin = 0;
  for (std::uint64_t rest = size; rest > 0;) {
    const std::uint64_t width = std::bit_floor(rest);
    TRV_TRY_ASSIGN(const Digest hash, subtree_root(nodes, begin, begin + width));
    edge.push_back(hash);
    begin += width;
    rest -= width;
  }
  return Frontier(size, edge);
}

}  // namespace trv::merkle
