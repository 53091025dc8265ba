#include "kernel/daemon/version.hpp"

namespace trv::daemon {

std::string_view version() noexcept {
  return TRV_VERSION;
}

}  // namespace trv::daemon
