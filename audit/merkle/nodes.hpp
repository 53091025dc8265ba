#pragma once
// Where the hashes of a tree are kept.
//
// Only complete subtrees are stored. The node (level, index) covers the leaves [index·2^level, (index+1)·2^level) and
// is written once, when its last leaf arrives; it never changes. Level 0 holds the leaf hashes. So a tree of any size
// that was ever reached can be read from the same store, and n leaves take fewer than 2n nodes.

#include <cstdint>
#include <optional>
#include <vector>

#include "audit/merkle/hash.hpp"
#include "sdk/base/result.hpp"

namespace trv::merkle {

using base::Result;
using base::Status;

struct NodeAddress {
  std::uint32_t level = 0;
  std::uint64_t index = 0;

  friend bool operator==(const NodeAddress&, const NodeAddress&) = default;
};

/// The reading half of the port. Threads as the implementation says.
class NodeReader {
 public:
  virtual ~NodeReader() = default;
  /// nullopt where the store has no such node. Error: what the storage reports.
  [[nodiscard]] virtual Result<std::optional<Digest>> node(NodeAddress address) const = 0;
};

/// The writing half. Durable when the implementation's transaction is.
class NodeWriter : public NodeReader {
 public:
  /// Each address is put once, in the order in which a growing tree completes it.
  [[nodiscard]] virtual Status put(NodeAddress address, const Digest& hash) = 0;
};

/// Nodes in memory. One thread while it is written, any number while it is only read.
class InMemoryNodes final : public NodeWriter {
 public:
  [[nodiscard]] Result<std::optional<Digest>> node(NodeAddress address) const override;
  /// Error: conflict where another hash is stored already, invalid where a node before it is missing.
  [[nodiscard]] Status put(NodeAddress address, const Digest& hash) override;

 private:
  std::vector<std::vector<Digest>> levels_;
};

}  // namespace trv::merkle
