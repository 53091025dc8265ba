#pragma once
// The daemon's figures in Prometheus text form.

#include <string>

#include "kernel/gateway/services.hpp"

namespace trv::gateway {

/// Every counter and gauge of the kernel, as of now. Names follow the Prometheus rules: base units, _total for
/// counters.
[[nodiscard]] std::string render_metrics(const Services& services);

}  // namespace trv::gateway
