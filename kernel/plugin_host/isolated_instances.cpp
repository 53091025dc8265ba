#include "kernel/plugin_host/isolated_instances.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <utility>

#include "sdk/base/contract.hpp"

namespace trv::plugin_host {

using base::Duration;
using base::ErrorCode;

/// One process. Held by its slot, by the calls that are being made and, weakly, by its link.
class IsolatedInstances::Process final : public PluginInstance,
                                         public LinkUser,
                                         public std::enable_shared_from_this<Process> {
 public:
  Process(std::weak_ptr<IsolatedInstances> owner, base::TenantId tenant, const ProcessPurpose& purpose,
          const InstanceServices& services)
      : owner_(std::move(owner)),
        tenant_(std::move(tenant)),
        name_(fmt::format("plugin '{}' {}", purpose.plugin, purpose.version)),
        is_program_(!purpose.interpreter.empty()),
        core_(std::make_shared<InstanceCore>(purpose.plugin, purpose.version, services)) {
    services.threads.watch(core_);
  }
  ~Process() override { end_now(); }

  void begin(Isolation& isolation, const ProcessPurpose& purpose) {
    link_ = isolation.begin(purpose, tenant_.value(), weak_from_this());
    core_->begin(link_);
  }
  void retire() {
    if (link_ != nullptr) link_->retire();
  }
  void end_now() {
    if (link_ != nullptr) link_->kill({});
  }

  /// Until the process would take calls, or will not.
  base::Status await_start(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop, [this] { return is_ready_ || has_ended_; });
    if (is_ready_ && !refusal_) return {};
    if (refusal_) return base::fail(*refusal_);
    if (!has_ended_) return base::fail(ErrorCode::cancelled, fmt::format("{} was not tried to the end", name_));
    if (end_.of != ProcessEnd::Of::plugin) {
      return base::fail(ErrorCode::unavailable, fmt::format("{} does not start: {}", name_, end_.why));
    }
    return base::fail(ErrorCode::invalid,
                      is_program_ ? fmt::format("{} does not start: {}", name_, end_.why)
                                  : fmt::format("{} does not start: {}. Its library 'plugin.so' is damaged, or its own "
                                                "code fails",
                                                name_, end_.why));
  }

  // PluginInstance
  CallId invoke(CallRequest request, CallCompletion completion) override {
    return core_->invoke(std::move(request), std::move(completion));
  }
  void cancel(CallId call) override { core_->cancel(call); }
  base::Status stop(Duration grace) override { return core_->stop(grace); }
  bool keeps_state() override { return await_start({}) && core_->keeps_state(); }
  base::Result<std::string> save(Duration grace) override { return core_->save(grace); }
  InstanceMetrics metrics() const override { return core_->metrics(); }

  // LinkUser
  HostSide& host() override { return *core_; }
  void is_ready(std::string_view) override {
    const std::lock_guard lock(mutex_);
    is_ready_ = true;
    changed_.notify_all();
  }
  void refused(const base::Error& why) override {
    const std::lock_guard lock(mutex_);
    refusal_ = why;
  }
  void ended(const ProcessEnd& how) override {
    ProcessEnd end = how;
    {
      const std::lock_guard lock(mutex_);
      has_ended_ = true;
      if (refusal_) end = {is_ready_ ? ProcessEnd::Of::plugin : ProcessEnd::Of::refused, refusal_->message()};
      end_ = end;
      changed_.notify_all();
    }
    // First: who has the outcome of a call and makes another one finds another process.
    const std::shared_ptr<IsolatedInstances> owner = owner_.lock();
    if (owner != nullptr) owner->ended(tenant_, *this, end);
    core_->lost(
        end.why.empty()
            ? fmt::format("{} has been stopped", name_)
            : fmt::format("{} {}: {}", name_,
                          end.of == ProcessEnd::Of::refused ? "does not start" : "failed in its process", end.why),
        end.of == ProcessEnd::Of::plugin ? InstanceCore::LostBy::plugin : InstanceCore::LostBy::host);
    if (owner != nullptr) owner->count(*this);
  }
  void is_idle() override {
    if (const std::shared_ptr<IsolatedInstances> owner = owner_.lock()) owner->end_idle(tenant_, *this);
  }

 private:
  const std::weak_ptr<IsolatedInstances> owner_;
  const base::TenantId tenant_;
  const std::string name_;
  const bool is_program_;
  const std::shared_ptr<InstanceCore> core_;
  std::shared_ptr<FrameLink> link_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool is_ready_ = false;
  bool has_ended_ = false;
  std::optional<base::Error> refusal_;
  ProcessEnd end_;
};

IsolatedInstances::IsolatedInstances(ProcessPurpose purpose, InstanceServices services, Isolation& isolation,
                                     CrashSink crashed)
    : purpose_(std::move(purpose)),
      services_(std::move(services)),
      isolation_(isolation),
      crashed_(std::move(crashed)) {}

IsolatedInstances::~IsolatedInstances() = default;

std::string IsolatedInstances::name() const {
  return fmt::format("plugin '{}' {}", purpose_.plugin, purpose_.version);
}

base::Status IsolatedInstances::try_start(const std::string& configuration, const std::stop_token& stop,
                                          std::optional<std::vector<std::string>> operations) {
  ProcessPurpose purpose = purpose_;
  purpose.configuration = configuration;
  purpose.operations = std::move(operations);
  const auto trial =
      std::make_shared<Process>(std::weak_ptr<IsolatedInstances>(), base::TenantId("system"), purpose_, services_);
  trial->begin(isolation_, purpose);
  return trial->await_start(stop);
}

base::Result<bool> IsolatedInstances::try_health(const std::string& configuration, const std::stop_token& stop) {
  ProcessPurpose purpose = purpose_;
  purpose.configuration = configuration;
  purpose.with.checks_health = true;
  const auto trial =
      std::make_shared<Process>(std::weak_ptr<IsolatedInstances>(), base::TenantId("system"), purpose_, services_);
  trial->begin(isolation_, purpose);
  TRV_TRY(trial->await_start(stop));
  return trial->keeps_state();
}

std::shared_ptr<PluginInstance> IsolatedInstances::running(const base::TenantId& tenant) const {
  const std::lock_guard lock(mutex_);
  const auto slot = slots_.find(tenant);
  return slot == slots_.end() ? nullptr : slot->second.process;
}

base::Result<std::shared_ptr<PluginInstance>> IsolatedInstances::begin_with(const base::TenantId& tenant,
                                                                            const std::string& configuration,
                                                                            SavedState state,
                                                                            const std::stop_token& stop) {
  ProcessPurpose purpose = purpose_;
  purpose.configuration = configuration;
  purpose.with = {.state = std::move(state), .checks_health = true};
  auto process = std::make_shared<Process>(weak_from_this(), tenant, purpose_, services_);
  process->begin(isolation_, purpose);
  TRV_TRY(process->await_start(stop));
  return process;
}

void IsolatedInstances::adopt(const base::TenantId& tenant, const std::string& configuration,
                              std::shared_ptr<PluginInstance> instance) {
  auto process = std::dynamic_pointer_cast<Process>(std::move(instance));
  TRV_EXPECTS(process != nullptr);
  const std::lock_guard lock(mutex_);
  if (is_stopped_ || is_retired_) return;
  Slot& slot = slots_[tenant];
  if (slot.process != nullptr) retire(slot);
  slot.process = std::move(process);
  slot.configuration = configuration;
}

std::expected<std::shared_ptr<PluginInstance>, OperationError> IsolatedInstances::of(const base::TenantId& tenant,
                                                                                     const std::string& configuration) {
  const auto refuse = [](std::string message, Duration again) {
    return std::unexpected(OperationError{
        .code = ErrorCode::unavailable,
        .may_retry = again > Duration::zero(),
        .retry_after_ms = static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(again).count()),
        .message = std::move(message)});
  };
  const std::lock_guard lock(mutex_);
  if (is_stopped_) return refuse(fmt::format("{} is stopping", name()), restart_delay_min);
  if (is_retired_) return refuse(fmt::format("{} is being replaced", name()), restart_delay_min);
  Slot& slot = slots_[tenant];
  if (slot.configuration != configuration) {
    if (slot.process != nullptr) retire(slot);
    slot.not_before = {};  // what crashed had another configuration
  }
  if (slot.process != nullptr) return slot.process;
  if (slot.is_quarantined) {
    return refuse(fmt::format("{} is in quarantine for tenant '{}' after {} crashes: {}. Once that is mended: trav "
                              "plugin release {} --tenant {}",
                              name(), tenant.value(), crashes_max, slot.why, purpose_.plugin, tenant.value()),
                  Duration::zero());
  }
  const Duration now = services_.clock.monotonic();
  if (now < slot.not_before) {
    return refuse(fmt::format("{} starts again in a moment: {}", name(), slot.why), slot.not_before - now);
  }
  slot.process = std::make_shared<Process>(weak_from_this(), tenant, purpose_, services_);
  slot.configuration = configuration;
  ProcessPurpose purpose = purpose_;
  purpose.configuration = configuration;
  slot.process->begin(isolation_, purpose);
  return slot.process;
}

void IsolatedInstances::ended(const base::TenantId& tenant, const Process& process, const ProcessEnd& end) {
  ProcessCrash crash{.tenant = tenant, .plugin = purpose_.plugin, .version = purpose_.version, .why = end.why};
  {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_[tenant];
    if (slot.process.get() == &process) ending_.push_back(std::move(slot.process));
    if (end.of == ProcessEnd::Of::asked || is_stopped_) return;
    const Duration now = services_.clock.monotonic();
    slot.why = end.why;
    slot.not_before = now + restart_delay_min;
    // Who refuses a configuration has not crashed.
    if (end.of == ProcessEnd::Of::host || end.of == ProcessEnd::Of::refused) return;
    std::erase_if(slot.crashes, [now](Duration crashed) { return now - crashed > crashes_within; });
    slot.crashes.push_back(now);
    const auto doubled = std::min<std::size_t>(slot.crashes.size() - 1, 10);
    slot.not_before = now + std::min(restart_delay_max, restart_delay_min * (1 << doubled));
    slot.is_quarantined = slot.crashes.size() >= crashes_max;
    crash.quarantined = slot.is_quarantined;
  }
  if (crashed_) crashed_(crash);
}

void IsolatedInstances::end_idle(const base::TenantId& tenant, const Process& process) {
  std::shared_ptr<Process> idle;
  {
    const std::lock_guard lock(mutex_);
    Slot& slot = slots_[tenant];
    if (slot.process.get() == &process) {
      idle = std::move(slot.process);
      ending_.push_back(idle);
    } else {
      const auto retired = std::ranges::find(ending_, &process, &std::shared_ptr<Process>::get);
      if (retired == ending_.end()) return;
      idle = *retired;
    }
  }
  // Calls that came in between are answered first.
  services_.threads.post([idle = std::move(idle)] { static_cast<void>(idle->stop(std::chrono::seconds(1))); });
}

void IsolatedInstances::retire(Slot& slot) {
  slot.process->retire();
  ending_.push_back(std::move(slot.process));
}

void IsolatedInstances::retire() {
  const std::lock_guard lock(mutex_);
  is_retired_ = true;
  for (auto& [tenant, slot] : slots_) {
    if (slot.process != nullptr) retire(slot);
  }
  isolation_.forget(purpose_.folder);
}

bool IsolatedInstances::is_over() const {
  const std::lock_guard lock(mutex_);
  return is_retired_ && ending_.empty();
}

bool IsolatedInstances::release(const base::TenantId& tenant) {
  const std::lock_guard lock(mutex_);
  Slot& slot = slots_[tenant];
  slot.crashes.clear();
  slot.not_before = {};
  return std::exchange(slot.is_quarantined, false);
}

base::Status IsolatedInstances::stop(Duration grace) {
  std::vector<std::shared_ptr<Process>> running;
  {
    const std::lock_guard lock(mutex_);
    is_stopped_ = true;
    for (auto& [tenant, slot] : slots_) {
      if (slot.process != nullptr) running.push_back(slot.process);
    }
    running.insert(running.end(), ending_.begin(), ending_.end());
  }
  isolation_.forget(purpose_.folder);
  const Duration end = services_.clock.monotonic() + grace;
  base::Status worst;
  for (const std::shared_ptr<Process>& process : running) {
    const Duration left = std::max(Duration::zero(), end - services_.clock.monotonic());
    if (base::Status stopped = process->stop(left); !stopped && worst) worst = std::move(stopped);
    // Nobody waits for it: whatever it still does, it can reach nothing.
    process->end_now();
  }
  return worst;
}

void IsolatedInstances::count(const Process& process) {
  std::shared_ptr<Process> gone;  // freed outside the lock
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(ending_, &process, &std::shared_ptr<Process>::get);
  if (found == ending_.end()) return;
  gone = std::move(*found);
  ending_.erase(found);
  past_ += gone->metrics();
}

InstanceMetrics IsolatedInstances::metrics() const {
  const std::lock_guard lock(mutex_);
  InstanceMetrics all = past_;
  for (const auto& [tenant, slot] : slots_) {
    if (slot.process != nullptr) all += slot.process->metrics();
  }
  for (const std::shared_ptr<Process>& process : ending_) all += process->metrics();
  return all;
}

}  // namespace trv::plugin_host
