#pragma once
// What plugins ask the kernel for beyond HTTP and time, served by the shard in which the call's tenant lives.

#include "kernel/node/node.hpp"
#include "kernel/plugin_host/service_request.hpp"

namespace trv::daemon {

/// `node` outlives what is returned.
[[nodiscard]] plugin_host::ServeRequest plugin_services(node::Node& node);

}  // namespace trv::daemon
