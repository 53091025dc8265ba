// travd of a later version, for tests: its projections have another layout.

#include <fmt/format.h>

#include "events/projection/projection.hpp"

namespace trv::projection {

std::string Projection::layout() const {
  return fmt::format("shard={} later=1", shard_.value());
}

}  // namespace trv::projection
