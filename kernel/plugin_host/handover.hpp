#pragma once
// One tenant's state on its way from one version of a plugin to another (trv.state/1). While it is there the tenant's
// calls of the plugin wait.

#include <memory>
#include <string>

#include "kernel/plugin_host/call_gate.hpp"
#include "kernel/plugin_host/plugin_instances.hpp"

namespace trv::plugin_host {

class Handover {
 public:
  /// The gate is closed; it opens when this ends. `gate` outlives this.
  Handover(CallGate& gate, base::TenantId tenant, std::string plugin)
      : gate_(gate), tenant_(std::move(tenant)), plugin_(std::move(plugin)) {}
  ~Handover() { gate_.open(tenant_, plugin_); }
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;

  /// What the calls go to once the switch is recorded.
  void prepare(std::shared_ptr<PluginInstances> to, std::string configuration,
               std::shared_ptr<PluginInstance> instance) {
    to_ = std::move(to);
    configuration_ = std::move(configuration);
    instance_ = std::move(instance);
  }
  /// The switch is recorded. Without this the version before goes on.
  void succeed() {
    if (instance_ != nullptr) to_->adopt(tenant_, configuration_, std::move(instance_));
  }

 private:
  CallGate& gate_;
  const base::TenantId tenant_;
  const std::string plugin_;
  std::shared_ptr<PluginInstances> to_;
  std::string configuration_;
  std::shared_ptr<PluginInstance> instance_;
};

}  // namespace trv::plugin_host
