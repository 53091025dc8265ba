#include "kernel/plugin_host/in_process_instances.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace trv::plugin_host {
namespace {

constexpr base::Duration drain_within = std::chrono::seconds(30);

}  // namespace

InProcessInstances::InProcessInstances(std::shared_ptr<PluginLibrary> library, InstanceServices services)
    : library_(std::move(library)), services_(std::move(services)) {}

InProcessInstances::~InProcessInstances() = default;

base::Result<InProcessInstances::Started*> InProcessInstances::find_or_start(const std::string& configuration) {
  const auto found = started_.find(configuration);
  if (found != started_.end()) return &found->second;
  TRV_TRY_ASSIGN(std::unique_ptr<InProcessInstance> instance,
                 InProcessInstance::start(library_, configuration, services_));
  return &started_.emplace(configuration, Started{std::move(instance)}).first->second;
}

base::Status InProcessInstances::start(const std::string& configuration) {
  const std::lock_guard lock(mutex_);
  TRV_TRY(find_or_start(configuration));
  return {};
}

std::expected<std::shared_ptr<PluginInstance>, OperationError> InProcessInstances::of(
    const base::TenantId& tenant, const std::string& configuration) {
  const auto refuse = [&](base::ErrorCode code, std::string message, bool may_retry) {
    return std::unexpected(OperationError{.code = code, .may_retry = may_retry, .message = std::move(message)});
  };
  const std::lock_guard lock(mutex_);
  if (is_retired_) {
    return refuse(base::ErrorCode::unavailable,
                  fmt::format("plugin '{}' {} is being replaced", library_->id(), library_->version()), true);
  }
  const auto started = find_or_start(configuration);
  if (!started) return refuse(started.error().code(), started.error().message(), false);
  const auto [before, is_new] = configurations_.try_emplace(tenant, configuration);
  if (is_new || before->second != configuration) {
    ++(*started)->tenants;
    if (!is_new) leave(std::exchange(before->second, configuration));
  }
  return (*started)->instance;
}

// The lock is held.
void InProcessInstances::leave(const std::string& configuration) {
  const auto left = started_.find(configuration);
  if (left == started_.end() || --left->second.tenants > 0) return;
  drain(std::move(left->second.instance));
  started_.erase(left);
}

// The lock is held.
void InProcessInstances::drain(std::shared_ptr<PluginInstance> instance) {
  std::erase_if(draining_, [this](const std::shared_ptr<PluginInstance>& one) {
    if (one.use_count() > 1) return false;
    past_ += one->metrics();
    return true;
  });
  draining_.push_back(instance);
  services_.threads.post([instance = std::move(instance)] { static_cast<void>(instance->stop(drain_within)); });
}

void InProcessInstances::retire() {
  const std::lock_guard lock(mutex_);
  is_retired_ = true;
  for (auto& [configuration, started] : started_) drain(std::move(started.instance));
  started_.clear();
}

bool InProcessInstances::is_over() const {
  const std::lock_guard lock(mutex_);
  return is_retired_ && std::ranges::all_of(draining_, [](const auto& one) { return one.use_count() == 1; });
}

base::Status InProcessInstances::stop(base::Duration grace) {
  std::vector<std::shared_ptr<PluginInstance>> all;
  {
    const std::lock_guard lock(mutex_);
    is_retired_ = true;
    all = draining_;
    for (const auto& [configuration, started] : started_) all.push_back(started.instance);
  }
  const base::Duration end = services_.clock.monotonic() + grace;
  base::Status worst;
  for (const std::shared_ptr<PluginInstance>& instance : all) {
    const base::Duration left = std::max(base::Duration::zero(), end - services_.clock.monotonic());
    if (base::Status stopped = instance->stop(left); !stopped && worst) worst = std::move(stopped);
  }
  return worst;
}

InstanceMetrics InProcessInstances::metrics() const {
  const std::lock_guard lock(mutex_);
  InstanceMetrics all = past_;
  for (const auto& [configuration, started] : started_) all += started.instance->metrics();
  for (const std::shared_ptr<PluginInstance>& one : draining_) all += one->metrics();
  return all;
}

}  // namespace trv::plugin_host
