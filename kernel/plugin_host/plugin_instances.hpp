#pragma once
// The running instances of one package: in this process, or one for each tenant in a process of its own.

#include <expected>
#include <memory>
#include <string>

#include "kernel/plugin_host/plugin_instance.hpp"

namespace trv::plugin_host {

/// Any thread.
class PluginInstances {
 public:
  virtual ~PluginInstances() = default;

  /// The instance that the tenant's calls go to, which has this configuration. It may begin with this; one with another
  /// configuration ends once its calls have. Error: why there is none now, and when to ask again.
  [[nodiscard]] virtual std::expected<std::shared_ptr<PluginInstance>, OperationError> of(
      const base::TenantId& tenant, const std::string& configuration) = 0;

  /// From here on of() gives none, and each instance ends once its calls have. Nothing waits for it.
  virtual void retire() = 0;
  /// All have ended after retire().
  [[nodiscard]] virtual bool is_over() const = 0;

  /// PluginInstance::stop of all, within `grace` in all.
  [[nodiscard]] virtual base::Status stop(base::Duration grace) = 0;

  /// Of all together.
  [[nodiscard]] virtual InstanceMetrics metrics() const = 0;
};

}  // namespace trv::plugin_host
