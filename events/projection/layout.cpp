#include <fmt/format.h>

#include "events/projection/projection.hpp"

namespace trv::projection {

std::string Projection::layout() const {
  std::string text = fmt::format("shard={}", shard_.value());
  for (const Projector* projector : projectors_) {
    text += fmt::format(" {}={}", projector->name(), projector->layout_version());
  }
  return text;
}

}  // namespace trv::projection
