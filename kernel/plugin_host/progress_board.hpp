#pragma once
// How far the open calls of plugins say they are: the last word of each, in memory alone. Any thread.

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "sdk/base/identity.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::plugin_host {

inline constexpr std::size_t progress_text_bytes_max = 256;

/// What a plugin says of a call.
struct Progress {
  std::optional<double> fraction;  ///< 0 to 1; nullopt: not known
  std::string text = {};           ///< for people; may be empty
  base::Timestamp time = {};       ///< when it was said
};

class ProgressBoard {
 public:
  /// `key`: idempotency key of the call.
  void put(const base::TenantId& tenant, const std::string& key, Progress progress) {
    const std::lock_guard lock(mutex_);
    said_[{tenant, key}] = std::move(progress);
  }
  /// The call has ended.
  void erase(const base::TenantId& tenant, const std::string& key) {
    const std::lock_guard lock(mutex_);
    said_.erase({tenant, key});
  }
  [[nodiscard]] std::optional<Progress> of(const base::TenantId& tenant, const std::string& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = said_.find({tenant, key});
    return found == said_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<base::TenantId, std::string>, Progress> said_;
};

}  // namespace trv::plugin_host
