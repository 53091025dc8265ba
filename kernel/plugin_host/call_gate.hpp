#pragma once
// Holds a tenant's calls of a plugin back while one version of it hands its state over to another one. Who begins a
// call passes first, and asks behind the gate which version it goes to.
//
// Any thread.

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "kernel/plugin_host/plugin_threads.hpp"
#include "sdk/base/clock.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/result.hpp"

namespace trv::plugin_host {

class CallGate {
 public:
  using Work = std::move_only_function<void(base::Duration waited)>;

  /// What waited runs on `threads`. Both outlive this.
  CallGate(PluginThreads& threads, const base::Clock& clock) : threads_(threads), clock_(clock) {}
  CallGate(const CallGate&) = delete;
  CallGate& operator=(const CallGate&) = delete;

  /// While it is there and is_open(), the gate does not close. Held only while a call is begun.
  class Pass {
   public:
    Pass(CallGate& gate, const base::TenantId& tenant, const std::string& plugin);
    ~Pass();
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    [[nodiscard]] bool is_open() const noexcept { return is_open_; }

   private:
    CallGate& gate_;
    const std::pair<base::TenantId, std::string> key_;
    bool is_open_ = false;
  };

  /// Runs `work` on a thread of plugins once the gate is open, which may be now. It may be closed again by then.
  void when_open(const base::TenantId& tenant, const std::string& plugin, Work work);

  /// No call passes from here on. Waits for those that are just being begun. Errors: conflict (it is closed already),
  /// timeout (it is open again).
  [[nodiscard]] base::Status close(const base::TenantId& tenant, const std::string& plugin, base::Duration within);
  void open(const base::TenantId& tenant, const std::string& plugin);

 private:
  using Key = std::pair<base::TenantId, std::string>;
  struct Place {
    std::size_t inside = 0;
    bool is_closed = false;
    std::vector<std::pair<base::Duration, Work>> waiting;  ///< since when
  };
  /// The lock is held.
  void release(const Key& key);

  PluginThreads& threads_;
  const base::Clock& clock_;
  std::mutex mutex_;
  std::condition_variable left_;
  std::map<Key, Place> places_;  ///< those that are passed, or closed
};

}  // namespace trv::plugin_host
