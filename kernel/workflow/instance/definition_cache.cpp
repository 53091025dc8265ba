#include "kernel/workflow/instance/definition_cache.hpp"

#include "sdk/base/contract.hpp"

namespace trv::instance {

base::Result<DefinitionPointer> DefinitionCache::get(
    const base::TenantId& tenant, const base::Digest& sha256,
    const std::function<base::Result<definition::Definition>()>& load) {
  if (DefinitionPointer known = find(tenant, sha256)) return known;
  TRV_TRY_ASSIGN(definition::Definition loaded, load());
  auto pointer = std::make_shared<const definition::Definition>(std::move(loaded));
  TRV_ENSURES(pointer->digest == sha256);
  put(tenant, pointer);
  return pointer;
}

DefinitionPointer DefinitionCache::find(const base::TenantId& tenant, const base::Digest& sha256) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(Key(tenant.value(), sha256));
  if (found == entries_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second.place);
  return found->second.definition;
}

std::size_t DefinitionCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void DefinitionCache::put(const base::TenantId& tenant, DefinitionPointer definition) {
  TRV_EXPECTS(definition != nullptr);
  Key key(tenant.value(), definition->digest);
  const std::lock_guard lock(mutex_);
  if (entries_.contains(key)) return;
  order_.push_front(key);
  entries_.emplace(std::move(key), Entry{std::move(definition), order_.begin()});
  while (entries_.size() > definitions_max_) {
    entries_.erase(order_.back());
    order_.pop_back();
  }
  TRV_ENSURES(entries_.size() == order_.size() && entries_.size() <= definitions_max_);
}

}  // namespace trv::instance
