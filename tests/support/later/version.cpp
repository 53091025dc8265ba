// travd of a later version, for tests.

#include "kernel/daemon/version.hpp"

namespace trv::daemon {

std::string_view version() noexcept {
  return "99.0.0";
}

}  // namespace trv::daemon
