#pragma once
// Compiled definitions, kept by tenant and digest of their text. A definition never changes, so one that another
// thread has compiled serves the shard's thread too.

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "kernel/workflow/definition/definition.hpp"
#include "sdk/base/identity.hpp"

namespace trv::instance {

using DefinitionPointer = std::shared_ptr<const definition::Definition>;

/// Any thread.
class DefinitionCache {
 public:
  explicit DefinitionCache(std::size_t definitions_max = 1'024) : definitions_max_(definitions_max) {}

  /// The definition from memory, or from `load`, kept for the next time; the one unused for longest makes room. `load`
  /// is called without a lock: two threads may load the same one.
  [[nodiscard]] base::Result<DefinitionPointer> get(const base::TenantId& tenant, const base::Digest& sha256,
                                                    const std::function<base::Result<definition::Definition>()>& load);
  /// Null where it is not in memory.
  [[nodiscard]] DefinitionPointer find(const base::TenantId& tenant, const base::Digest& sha256);
  void put(const base::TenantId& tenant, DefinitionPointer definition);
  [[nodiscard]] std::size_t size() const;

 private:
  using Key = std::pair<std::string, base::Digest>;
  struct Entry {
    DefinitionPointer definition;
    std::list<Key>::iterator place;
  };

  std::size_t definitions_max_;
  mutable std::mutex mutex_;  ///< over what follows
  std::list<Key> order_;      ///< most recently used first
  std::map<Key, Entry> entries_;
};

}  // namespace trv::instance
