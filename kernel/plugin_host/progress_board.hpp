#pragma once
// How far the open calls of plugins say they are: the last word of each, in memory alone. Any thread.

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "sdk/base/identity.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::plugin_host {

inline constexpr std::size_t progress_text_bytes_max = 256;
inline constexpr std::size_t streamed_bytes_max = 65'536;

/// What a plugin says of a call.
struct Progress {
  std::optional<double> fraction;    ///< 0 to 1; nullopt: not known
  std::string text = {};             ///< for people; may be empty
  base::Timestamp time = {};         ///< when it was said
  std::string streamed = {};         ///< what the call has given so far, its last bytes; perhaps not UTF-8
  std::uint64_t streamed_bytes = 0;  ///< that it has given in all
};

class ProgressBoard {
 public:
  /// `key`: idempotency key of the call.
  void put(const base::TenantId& tenant, const std::string& key, std::optional<double> fraction, std::string text,
           base::Timestamp time) {
    const std::lock_guard lock(mutex_);
    Progress& said = said_[{tenant, key}];
    said.fraction = fraction;
    said.text = std::move(text);
    said.time = time;
  }
  /// Text that the call gives as it comes.
  void append(const base::TenantId& tenant, const std::string& key, std::string_view text, base::Timestamp time) {
    const std::lock_guard lock(mutex_);
    Progress& said = said_[{tenant, key}];
    said.streamed_bytes += text.size();
    if (text.size() > streamed_bytes_max) text.remove_prefix(text.size() - streamed_bytes_max);
    // Cut rarely: each cut moves what is kept.
    if (said.streamed.size() + text.size() > 2 * streamed_bytes_max) {
      said.streamed.erase(0, said.streamed.size() - (streamed_bytes_max - text.size()));
    }
    said.streamed += text;
    said.time = time;
  }
  /// The call has ended.
  void erase(const base::TenantId& tenant, const std::string& key) {
    const std::lock_guard lock(mutex_);
    said_.erase({tenant, key});
  }
  [[nodiscard]] std::optional<Progress> of(const base::TenantId& tenant, const std::string& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = said_.find({tenant, key});
    if (found == said_.end()) return std::nullopt;
    Progress said = found->second;
    if (said.streamed.size() > streamed_bytes_max) said.streamed.erase(0, said.streamed.size() - streamed_bytes_max);
    return said;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<base::TenantId, std::string>, Progress> said_;
};

}  // namespace trv::plugin_host
