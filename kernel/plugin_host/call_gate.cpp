#include "kernel/plugin_host/call_gate.hpp"

#include <fmt/format.h>

#include <chrono>

#include "sdk/base/contract.hpp"

namespace trv::plugin_host {

CallGate::Pass::Pass(CallGate& gate, const base::TenantId& tenant, const std::string& plugin)
    : gate_(gate), key_(tenant, plugin) {
  const std::lock_guard lock(gate_.mutex_);
  Place& place = gate_.places_[key_];
  is_open_ = !place.is_closed;
  if (is_open_) ++place.inside;
}

CallGate::Pass::~Pass() {
  if (!is_open_) return;
  const std::lock_guard lock(gate_.mutex_);
  Place& place = gate_.places_.at(key_);
  TRV_ASSERT(place.inside > 0);
  if (--place.inside > 0) return;
  if (place.is_closed) {
    gate_.left_.notify_all();
  } else {
    gate_.places_.erase(key_);
  }
}

void CallGate::when_open(const base::TenantId& tenant, const std::string& plugin, Work work) {
  TRV_EXPECTS(work);
  {
    const std::lock_guard lock(mutex_);
    const auto place = places_.find({tenant, plugin});
    if (place != places_.end() && place->second.is_closed) {
      place->second.waiting.emplace_back(clock_.monotonic(), std::move(work));
      return;
    }
  }
  threads_.post([work = std::move(work)]() mutable { work(base::Duration::zero()); });
}

base::Status CallGate::close(const base::TenantId& tenant, const std::string& plugin, base::Duration within) {
  const Key key(tenant, plugin);
  std::unique_lock lock(mutex_);
  Place& place = places_[key];
  if (place.is_closed) {
    return base::fail(
        base::ErrorCode::conflict,
        fmt::format("plugin '{}' is just being switched to another version for tenant '{}'; ask again when that is "
                    "done",
                    plugin, tenant.value()));
  }
  place.is_closed = true;
  if (left_.wait_for(lock, within, [&place] { return place.inside == 0; })) return {};
  release(key);
  return base::fail(base::ErrorCode::timeout,
                    fmt::format("calls of plugin '{}' are still being begun after {} s", plugin,
                                std::chrono::duration_cast<std::chrono::seconds>(within).count()));
}

void CallGate::open(const base::TenantId& tenant, const std::string& plugin) {
  const std::lock_guard lock(mutex_);
  release({tenant, plugin});
}

void CallGate::release(const Key& key) {
  Place& place = places_.at(key);
  TRV_EXPECTS(place.is_closed);
  place.is_closed = false;
  // Each is short: it begins a call.
  const base::Duration now = clock_.monotonic();
  for (auto& [since, work] : place.waiting) {
    threads_.post([waited = now - since, begin = std::move(work)]() mutable { begin(waited); });
  }
  place.waiting.clear();
  if (place.inside == 0) places_.erase(key);
}

}  // namespace trv::plugin_host
