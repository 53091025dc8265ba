#pragma once
// A plugin that runs in this process. It has the process's full power: for libraries that the operator trusts.
//
// Calls into the plugin are serial. Where nothing runs, invoke runs the plugin on the caller's thread; otherwise the
// work waits and a PluginThreads worker does it. Deadlines hold also while the plugin hangs: the caller is answered
// from another thread.

#include <memory>
#include <string>

#include "kernel/plugin_host/instance_services.hpp"
#include "kernel/plugin_host/plugin_instance.hpp"
#include "kernel/plugin_host/plugin_library.hpp"

namespace trv::plugin_host {

class InstanceCore;

class InProcessInstance final : public PluginInstance {
 public:
  /// Creates and activates the plugin with `configuration`, a JSON object, on this thread.
  /// Errors: as LibraryPlugin::start.
  [[nodiscard]] static base::Result<std::unique_ptr<InProcessInstance>> start(std::shared_ptr<PluginLibrary> library,
                                                                              const std::string& configuration,
                                                                              InstanceServices services,
                                                                              const StartWith& with = {});
  /// Stops without grace where stop was not called.
  ~InProcessInstance() override;

  CallId invoke(CallRequest request, CallCompletion completion) override;
  void cancel(CallId call) override;
  [[nodiscard]] base::Status stop(base::Duration grace) override;
  [[nodiscard]] bool keeps_state() override;
  [[nodiscard]] base::Result<std::string> save(base::Duration grace) override;
  [[nodiscard]] InstanceMetrics metrics() const override;

 private:
  explicit InProcessInstance(std::shared_ptr<InstanceCore> core);
  std::shared_ptr<InstanceCore> core_;
};

}  // namespace trv::plugin_host
