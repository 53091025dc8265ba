#include "sdk/base/clock.hpp"

namespace trv::base {

Timestamp SystemClock::now() const {
  return Timestamp(std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
}

Duration SystemClock::monotonic() const {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace trv::base
