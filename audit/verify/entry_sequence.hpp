#pragma once
// The entries of one trail as docs/formats/audit.md describes them. A signature proves who signed, not what: these are
// the rules that no honest signer breaks.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace trv::verify {

/// The tenant of a trail: what follows the last "/t/" of its origin. nullopt where nothing does.
[[nodiscard]] std::optional<std::string_view> tenant_of_origin(std::string_view origin);

/// Takes a trail's entries from first to last. One thread; an entry may come from an enemy.
class EntrySequence {
 public:
  explicit EntrySequence(std::string_view tenant) : tenant_(tenant) {}

  /// Whether `entry` has the one form of an entry, is of this tenant and of the shard of the entries before, or of the
  /// one to which the tenant moves, and comes behind them by lsn and time. Error: invalid, with what differs and what
  /// was expected; the entry is then left out.
  [[nodiscard]] base::Status next(base::BytesView entry);

 private:
  std::string tenant_;
  std::optional<std::uint64_t> shard_;
  std::map<std::uint64_t, std::uint64_t> last_lsns_;  ///< by shard
  std::string last_time_;
  std::string last_type_;
  bool has_departed_ = false;  ///< the next entry is the first in another shard
};

}  // namespace trv::verify
