#pragma once
// What an export is made from: one trail, as far as it is committed.

#include <cstdint>
#include <string>

#include "audit/merkle/nodes.hpp"
#include "audit/note/key.hpp"
#include "sdk/base/bytes.hpp"
#include "sdk/base/result.hpp"

namespace trv::exporting {

/// A trail at one moment: what it answers does not change while it lives. Threads as the implementation says.
class TrailSource {
 public:
  virtual ~TrailSource() = default;
  /// Committed entries.
  [[nodiscard]] virtual base::Result<std::uint64_t> size() const = 0;
  /// Error: not_found unless index < size().
  [[nodiscard]] virtual base::Result<base::Bytes> entry(std::uint64_t index) const = 0;
  /// The signed checkpoint of size() entries, or of an earlier size.
  [[nodiscard]] virtual base::Result<std::string> checkpoint() const = 0;
  [[nodiscard]] virtual const merkle::NodeReader& nodes() const = 0;
  [[nodiscard]] virtual note::VerifierKey key() const = 0;
};

}  // namespace trv::exporting
