#pragma once
// The parts that open calls of plugins say they consist of (trv.trace/1), in memory alone. Any thread.

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sdk/base/clock.hpp"
#include "sdk/base/identity.hpp"
#include "sdk/base/timestamp.hpp"

namespace trv::plugin_host {

inline constexpr std::size_t spans_max = 64;  ///< of a call
inline constexpr std::size_t span_name_bytes_max = 64;
inline constexpr std::size_t span_attributes_max = 8;
inline constexpr std::size_t span_attribute_bytes_max = 256;

struct Span {
  std::uint64_t id = 0;
  std::uint64_t parent = 0;  ///< 0: the call
  std::string name = {};
  std::vector<std::pair<std::string, std::string>> attributes = {};
  base::Timestamp time = {};                          ///< when it began
  base::Duration began{};                             ///< the same, of the monotonic clock
  std::optional<base::Duration> took = std::nullopt;  ///< nullopt: it is open
};

class SpanBoard {
 public:
  /// `key`: idempotency key of the call. False: the call has spans_max, or one with this id; nothing is changed.
  bool begin(const base::TenantId& tenant, const std::string& key, Span span) {
    const std::lock_guard lock(mutex_);
    std::vector<Span>& spans = spans_[{tenant, key}];
    if (spans.size() >= spans_max || std::ranges::find(spans, span.id, &Span::id) != spans.end()) return false;
    spans.push_back(std::move(span));
    return true;
  }
  /// The span as it ended; nullopt: no such one is open.
  std::optional<Span> end(const base::TenantId& tenant, const std::string& key, std::uint64_t id, base::Duration now) {
    const std::lock_guard lock(mutex_);
    const auto found = spans_.find({tenant, key});
    if (found == spans_.end()) return std::nullopt;
    const auto span = std::ranges::find(found->second, id, &Span::id);
    if (span == found->second.end() || span->took) return std::nullopt;
    span->took = now - span->began;
    return *span;
  }
  /// The call has ended. Gives the spans that were open, as they end with it.
  std::vector<Span> erase(const base::TenantId& tenant, const std::string& key, base::Duration now) {
    const std::lock_guard lock(mutex_);
    std::vector<Span> open;
    const auto found = spans_.find({tenant, key});
    if (found == spans_.end()) return open;
    for (Span& span : found->second) {
      if (span.took) continue;
      span.took = now - span.began;
      open.push_back(std::move(span));
    }
    spans_.erase(found);
    return open;
  }
  /// In the order in which they began.
  [[nodiscard]] std::vector<Span> of(const base::TenantId& tenant, const std::string& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = spans_.find({tenant, key});
    return found == spans_.end() ? std::vector<Span>() : found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<base::TenantId, std::string>, std::vector<Span>> spans_;
};

}  // namespace trv::plugin_host
