#pragma once
// What plugins ask the kernel for beyond HTTP and time, served by the shard in which the call's tenant lives.

#include <spdlog/fwd.h>

#include <memory>

#include "kernel/daemon/plugin_blob_service.hpp"
#include "kernel/egress/connection.hpp"
#include "kernel/node/node.hpp"
#include "kernel/plugin_host/service_request.hpp"

namespace trv::daemon {

struct ServiceSources {
  node::Node& node;
  egress::ConnectionSource& connections;
  egress::SecretSource& secrets;
  BlobSources blobs;
  std::shared_ptr<spdlog::logger> logger;  ///< has a line for each signature
};

/// What `sources` names outlives what is returned.
[[nodiscard]] plugin_host::ServeRequest plugin_services(ServiceSources sources);

}  // namespace trv::daemon
