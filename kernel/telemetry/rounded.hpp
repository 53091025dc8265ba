#pragma once
// Figures as documents show them.

#include <cmath>

namespace trv::telemetry {

/// To six digits behind the point: a microsecond, and less than any figure is exact to.
[[nodiscard]] inline double rounded(double value) noexcept {
  return std::round(value * 1e6) / 1e6;
}

}  // namespace trv::telemetry
