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

base::Result<InProcessInstances::Started*> InProcessInstances::find_or_start(const Key& key) {
  const auto found = started_.find(key);
  if (found != started_.end()) return &found->second;
  TRV_TRY_ASSIGN(std::unique_ptr<InProcessInstance> instance, InProcessInstance::start(library_, key.first, services_));
  keeps_state_ = instance->keeps_state();
  return &started_.emplace(key, Started{std::move(instance)}).first->second;
}

base::Status InProcessInstances::start(const std::string& configuration) {
  const std::lock_guard lock(mutex_);
  TRV_TRY(find_or_start({configuration, {}}));
  return {};
}

InProcessInstances::Key InProcessInstances::key_of(const base::TenantId& tenant,
                                                   const std::string& configuration) const {
  return {configuration, keeps_state_ ? tenant : base::TenantId()};
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
  auto started = find_or_start(key_of(tenant, configuration));
  // The first one has shown whether tenants share it.
  if (started) started = find_or_start(key_of(tenant, configuration));
  if (!started) return refuse(started.error().code(), started.error().message(), false);
  belongs(tenant, key_of(tenant, configuration));
  return (*started)->instance;
}

// The lock is held; an instance of this key is started.
void InProcessInstances::belongs(const base::TenantId& tenant, const Key& key) {
  const auto [before, is_new] = keys_.try_emplace(tenant, key);
  if (!is_new && before->second == key) return;
  ++started_.at(key).tenants;
  if (!is_new) leave(std::exchange(before->second, key));
}

base::Result<bool> InProcessInstances::try_health(const std::string& configuration, const std::stop_token&) {
  TRV_TRY_ASSIGN(const auto trial, InProcessInstance::start(library_, configuration, services_,
                                                            {.state = std::nullopt, .checks_health = true}));
  return trial->keeps_state();
}

std::shared_ptr<PluginInstance> InProcessInstances::running(const base::TenantId& tenant) const {
  const std::lock_guard lock(mutex_);
  const auto key = keys_.find(tenant);
  if (key == keys_.end()) return nullptr;
  const auto started = started_.find(key->second);
  return started == started_.end() ? nullptr : started->second.instance;
}

base::Result<std::shared_ptr<PluginInstance>> InProcessInstances::begin_with(const base::TenantId&,
                                                                             const std::string& configuration,
                                                                             SavedState state, const std::stop_token&) {
  TRV_TRY_ASSIGN(auto instance, InProcessInstance::start(library_, configuration, services_,
                                                         {.state = std::move(state), .checks_health = true}));
  return std::shared_ptr<PluginInstance>(std::move(instance));
}

void InProcessInstances::adopt(const base::TenantId& tenant, const std::string& configuration,
                               std::shared_ptr<PluginInstance> instance) {
  const std::lock_guard lock(mutex_);
  if (is_retired_) return;
  keeps_state_ = true;
  const Key key = key_of(tenant, configuration);
  Started& place = started_[key];
  if (place.instance != nullptr) drain(std::move(place.instance));
  place.instance = std::move(instance);
  belongs(tenant, key);
}

// The lock is held.
void InProcessInstances::leave(const Key& key) {
  const auto left = started_.find(key);
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
  for (auto& [key, started] : started_) drain(std::move(started.instance));
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
    for (const auto& [key, started] : started_) all.push_back(started.instance);
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
  for (const auto& [key, started] : started_) all += started.instance->metrics();
  for (const std::shared_ptr<PluginInstance>& one : draining_) all += one->metrics();
  return all;
}

}  // namespace trv::plugin_host
