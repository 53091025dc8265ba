#include <fstream>

#include "events/projection/projection.hpp"

namespace trv::projection {

base::Result<std::string> kernel_boot_id() {
  static constexpr const char* source = "/proc/sys/kernel/random/boot_id";
  std::ifstream file(source);
  std::string id;
  if (!std::getline(file, id) || id.empty()) {
    return base::fail(base::ErrorCode::unavailable, std::string("cannot read the boot id from ") + source);
  }
  return id;
}

}  // namespace trv::projection
