#pragma once
// The shards of this process, and which of them a tenant lives in.

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernel/node/shard.hpp"

namespace trv::node {

/// Shard 0 is the platform's own. Any thread; outlives who was given a shard of it.
class Node {
 public:
  /// `shards` by id, from 0 without gap; at least one.
  Node(std::vector<std::unique_ptr<Shard>> shards, const base::Clock& clock);

  /// Where the tenants themselves, the packages and the operators are.
  [[nodiscard]] Shard& platform() const noexcept { return *shards_.front(); }
  /// Where the tenant lives. Of a tenant that does not exist the answer is some shard, and nothing of it is found
  /// there.
  [[nodiscard]] base::Result<Shard*> shard_of(const base::TenantId& tenant) const;
  [[nodiscard]] std::span<const std::unique_ptr<Shard>> shards() const noexcept { return shards_; }

  /// What keeps which shards from taking every command, for clients; empty where nothing does. Also while they start.
  [[nodiscard]] std::string why_not_ready() const;
  /// The start is done: from here on why_not_ready() asks the shards alone.
  void started() noexcept { is_started_ = true; }
  [[nodiscard]] bool is_started() const noexcept { return is_started_; }
  [[nodiscard]] base::Timestamp now() const { return clock_.now(); }

 private:
  std::vector<std::unique_ptr<Shard>> shards_;
  const base::Clock& clock_;
  std::atomic<bool> is_started_ = false;
};

}  // namespace trv::node
