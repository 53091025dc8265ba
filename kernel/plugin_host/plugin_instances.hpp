#pragma once
// The running instances of one package: one for all tenants in this process, or one for each tenant in a process of its
// own.

#include <expected>
#include <memory>
#include <string>

#include "kernel/plugin_host/plugin_instance.hpp"

namespace trv::plugin_host {

/// Any thread.
class PluginInstances {
 public:
  virtual ~PluginInstances() = default;

  /// The instance that the tenant's calls go to. It may begin with this; nothing waits for it. Error: why there is none
  /// now, and when to ask again.
  [[nodiscard]] virtual std::expected<std::shared_ptr<PluginInstance>, OperationError> of(
      const base::TenantId& tenant) = 0;

  /// PluginInstance::stop of all, within `grace` in all.
  [[nodiscard]] virtual base::Status stop(base::Duration grace) = 0;

  /// Of all together.
  [[nodiscard]] virtual InstanceMetrics metrics() const = 0;
};

}  // namespace trv::plugin_host
