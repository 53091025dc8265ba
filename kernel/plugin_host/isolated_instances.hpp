#pragma once
// A package whose plugin runs in a process of its own for each tenant that calls it.
//
// A process begins with the first call and ends when it has had nothing to do for a while. One that crashes or hangs
// takes its own calls with it; the next call begins another, after a time that grows with each crash. After
// crashes_max crashes within crashes_within the tenant's calls are refused until release().

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "kernel/plugin_host/instance_core.hpp"
#include "kernel/plugin_host/isolation.hpp"
#include "kernel/plugin_host/plugin_instances.hpp"

namespace trv::plugin_host {

inline constexpr std::size_t crashes_max = 3;
inline constexpr base::Duration crashes_within = std::chrono::minutes(5);
inline constexpr base::Duration restart_delay_min = std::chrono::milliseconds(100);
inline constexpr base::Duration restart_delay_max = std::chrono::seconds(30);

/// A process of a plugin ended that nobody asked to end.
struct ProcessCrash {
  base::TenantId tenant;
  std::string plugin;
  std::string version;
  std::string why;           ///< a sentence
  bool quarantined = false;  ///< the tenant's calls are refused from here on
};
/// Any thread; must not block.
using CrashSink = std::function<void(const ProcessCrash&)>;

class IsolatedInstances final : public PluginInstances, public std::enable_shared_from_this<IsolatedInstances> {
 public:
  /// What the services name and `isolation` outlive this.
  IsolatedInstances(ProcessPurpose purpose, InstanceServices services, Isolation& isolation, CrashSink crashed);
  ~IsolatedInstances() override;

  /// Begins a process, waits until it would take calls, and ends it. With an empty configuration the library is loaded
  /// and the plugin not activated. Errors: what the plugin said when it refused;
  /// invalid (it breaks the ABI, crashes or hangs while it starts), unavailable (no process), cancelled.
  /// With `operations`, those of the manifest, also invalid where the code has others.
  [[nodiscard]] base::Status try_start(const std::string& configuration, const std::stop_token& stop = {},
                                       std::optional<std::vector<std::string>> operations = std::nullopt);

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

  /// Ends a quarantine, and forgets the crashes before it. False: there was none.
  bool release(const base::TenantId& tenant);

 private:
  class Process;
  struct Slot {
    std::shared_ptr<Process> process;
    std::string configuration;           ///< of the process
    std::deque<base::Duration> crashes;  ///< within crashes_within
    base::Duration not_before{};
    std::string why;
    bool is_quarantined = false;
  };

  /// The process takes no call any more.
  void ended(const base::TenantId& tenant, const Process& process, const ProcessEnd& end);
  /// Its last call has ended.
  void count(const Process& process);
  /// The lock is held. No call is made of its process any more.
  void retire(Slot& slot);
  void end_idle(const base::TenantId& tenant, const Process& process);
  [[nodiscard]] std::string name() const;

  const ProcessPurpose purpose_;
  const InstanceServices services_;
  Isolation& isolation_;
  const CrashSink crashed_;

  mutable std::mutex mutex_;
  std::map<base::TenantId, Slot> slots_;
  std::vector<std::shared_ptr<Process>> ending_;
  InstanceMetrics past_;  ///< of processes that have ended
  bool is_stopped_ = false;
  bool is_retired_ = false;
};

}  // namespace trv::plugin_host
