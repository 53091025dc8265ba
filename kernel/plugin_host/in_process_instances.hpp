#pragma once
// A package whose plugin runs in this process: one instance for each configuration, which the tenants that have set the
// same one share; where the plugin has trv.state/1, one for each tenant. One that no tenant uses any more ends once its
// calls have.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernel/plugin_host/in_process_instance.hpp"
#include "kernel/plugin_host/plugin_instances.hpp"

namespace trv::plugin_host {

class InProcessInstances final : public PluginInstances {
 public:
  InProcessInstances(std::shared_ptr<PluginLibrary> library, InstanceServices services);
  ~InProcessInstances() override;

  /// Starts the plugin with this configuration, on this thread. Errors: as InProcessInstance::start.
  [[nodiscard]] base::Status start(const std::string& configuration);

  /// Where no instance has this configuration, one is started on the caller's thread.
  [[nodiscard]] std::expected<std::shared_ptr<PluginInstance>, OperationError> of(
      const base::TenantId& tenant, const std::string& configuration) override;
  [[nodiscard]] base::Result<bool> try_health(const std::string& configuration, const std::stop_token& stop) override;
  [[nodiscard]] std::shared_ptr<PluginInstance> running(const base::TenantId& tenant) const override;
  [[nodiscard]] base::Result<std::shared_ptr<PluginInstance>> begin_with(const base::TenantId& tenant,
                                                                         const std::string& configuration,
                                                                         SavedState state,
                                                                         const std::stop_token& stop) override;
  void adopt(const base::TenantId& tenant, const std::string& configuration,
             std::shared_ptr<PluginInstance> instance) override;
  void retire() override;
  [[nodiscard]] bool is_over() const override;
  [[nodiscard]] base::Status stop(base::Duration grace) override;
  [[nodiscard]] InstanceMetrics metrics() const override;

 private:
  struct Started {
    std::shared_ptr<PluginInstance> instance;
    std::size_t tenants = 0;
  };

  /// The configuration, and the tenant where it is not shared.
  using Key = std::pair<std::string, base::TenantId>;

  /// The lock is held.
  [[nodiscard]] base::Result<Started*> find_or_start(const Key& key);
  [[nodiscard]] Key key_of(const base::TenantId& tenant, const std::string& configuration) const;
  void belongs(const base::TenantId& tenant, const Key& key);
  void leave(const Key& key);
  void drain(std::shared_ptr<PluginInstance> instance);

  const std::shared_ptr<PluginLibrary> library_;
  const InstanceServices services_;
  mutable std::mutex mutex_;
  std::map<Key, Started> started_;
  std::map<base::TenantId, Key> keys_;
  bool keeps_state_ = false;  ///< known once one was started
  std::vector<std::shared_ptr<PluginInstance>> draining_;
  InstanceMetrics past_;  ///< of instances that have ended
  bool is_retired_ = false;
};

}  // namespace trv::plugin_host
