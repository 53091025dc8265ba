#include "kernel/plugin_host/in_process_instance.hpp"

#include "kernel/plugin_host/instance_core.hpp"
#include "kernel/plugin_host/library_plugin.hpp"

namespace trv::plugin_host {

base::Result<std::unique_ptr<InProcessInstance>> InProcessInstance::start(std::shared_ptr<PluginLibrary> library,
                                                                          const std::string& configuration,
                                                                          InstanceServices services,
                                                                          const StartWith& with) {
  PluginThreads& threads = services.threads;
  auto core = std::make_shared<InstanceCore>(library->id(), library->version(), std::move(services));
  TRV_TRY_ASSIGN(std::unique_ptr<LibraryPlugin> plugin,
                 LibraryPlugin::start(std::move(library), configuration, *core, with));
  core->begin(std::move(plugin));
  threads.watch(core);
  return std::unique_ptr<InProcessInstance>(new InProcessInstance(std::move(core)));
}

InProcessInstance::InProcessInstance(std::shared_ptr<InstanceCore> core) : core_(std::move(core)) {}

InProcessInstance::~InProcessInstance() {
  static_cast<void>(core_->stop(base::Duration::zero()));
}

CallId InProcessInstance::invoke(CallRequest request, CallCompletion completion) {
  return core_->invoke(std::move(request), std::move(completion));
}
void InProcessInstance::cancel(CallId call) {
  core_->cancel(call);
}
base::Status InProcessInstance::stop(base::Duration grace) {
  return core_->stop(grace);
}
bool InProcessInstance::keeps_state() {
  return core_->keeps_state();
}
base::Result<std::string> InProcessInstance::save(base::Duration grace) {
  return core_->save(grace);
}
InstanceMetrics InProcessInstance::metrics() const {
  return core_->metrics();
}

}  // namespace trv::plugin_host
