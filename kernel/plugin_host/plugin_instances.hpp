#pragma once
// The running instances of one package: in this process, or one for each tenant in a process of its own.

#include <expected>
#include <memory>
#include <stop_token>
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

  /// Begins an instance that no call goes to, waits until it says that it is well, and ends it. Whether it has
  /// trv.state/1. Errors: why it does not start, or is not well; cancelled.
  [[nodiscard]] virtual base::Result<bool> try_health(const std::string& configuration,
                                                      const std::stop_token& stop) = 0;

  /// The instance that the tenant's calls go to now; nullptr: there is none.
  [[nodiscard]] virtual std::shared_ptr<PluginInstance> running(const base::TenantId& tenant) const = 0;
  /// Begins an instance for the tenant that has this state, and waits until it is well. No call goes to it before
  /// adopt(). Errors: as try_health, and why it does not take the state.
  [[nodiscard]] virtual base::Result<std::shared_ptr<PluginInstance>> begin_with(const base::TenantId& tenant,
                                                                                 const std::string& configuration,
                                                                                 SavedState state,
                                                                                 const std::stop_token& stop) = 0;
  /// The tenant's calls go to what begin_with gave from here on; the instance before it ends once its calls have.
  virtual void adopt(const base::TenantId& tenant, const std::string& configuration,
                     std::shared_ptr<PluginInstance> instance) = 0;

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
