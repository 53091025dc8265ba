#pragma once
// How many requests over HTTP are open, by tenant and plugin. Any thread.

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "sdk/base/contract.hpp"
#include "sdk/base/identity.hpp"

namespace trv::plugin_host {

/// Requests of one tenant that one plugin has at a time: more are refused, so that none waits for those that a plugin
/// never answers.
inline constexpr std::size_t web_open_max = 32;

class WebSlots {
 public:
  using Of = std::pair<base::TenantId, std::string>;  ///< tenant and plugin

  /// False: there are as many as there may be.
  [[nodiscard]] bool take(const Of& of) {
    const std::lock_guard lock(mutex_);
    std::size_t& count = counts_[of];
    if (count >= web_open_max) return false;
    ++count;
    return true;
  }
  void give_back(const Of& of) {
    const std::lock_guard lock(mutex_);
    const auto found = counts_.find(of);
    TRV_EXPECTS(found != counts_.end() && found->second > 0);
    if (--found->second == 0) counts_.erase(found);
  }

 private:
  std::mutex mutex_;
  std::map<Of, std::size_t> counts_;
};

}  // namespace trv::plugin_host
