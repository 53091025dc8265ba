#include "kernel/recovery/target.hpp"

#include <fmt/format.h>

namespace trv::recovery {

base::Result<base::Bytes> read_object(Target& target, const Object& object) {
  auto bytes = target.get(object);
  if (!bytes && bytes.error().code() == base::ErrorCode::not_found) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("{} is missing", target.place_of(object.sha256)));
  }
  if (!bytes && bytes.error().code() == base::ErrorCode::too_large) {
    return base::fail(base::ErrorCode::corrupt, fmt::format("{} is not what was backed up: it has more than {} bytes",
                                                            target.place_of(object.sha256), object.bytes));
  }
  if (!bytes) return bytes;
  if (bytes->size() == object.bytes && base::sha256(*bytes) == object.sha256) return bytes;
  return base::fail(base::ErrorCode::corrupt,
                    fmt::format("{} is not what was backed up: its {} bytes do not have the SHA-256 of its name",
                                target.place_of(object.sha256), bytes->size()));
}

Object object_of(base::BytesView bytes) {
  return {.sha256 = base::sha256(bytes), .bytes = bytes.size()};
}

}  // namespace trv::recovery
