#pragma once
// The blobs that plugins keep (trv.blob/1): bytes beside the log, and what they are called in it.

#include <spdlog/fwd.h>

#include <memory>

#include "events/blob/blob_store.hpp"
#include "kernel/http/workers.hpp"
#include "kernel/node/node.hpp"
#include "kernel/plugin_host/service_request.hpp"
#include "sdk/base/clock.hpp"

namespace trv::daemon {

/// Requests that wait for a worker, each with a part at most.
inline constexpr std::size_t blob_requests_max = 256;

/// All of it outlives the requests.
struct BlobSources {
  blob::BlobStore& store;
  http::Workers& workers;  ///< that read and write files
  const base::Clock& clock;
  std::shared_ptr<spdlog::logger> logger;  ///< has why the disk refused; plugins are not shown its paths
};

/// Serves a request about blobs in the shard of its tenant: files on a worker, what changes as a decision. A blob is
/// durable before the event that names it. Any thread.
void serve_blob(const BlobSources& sources, node::Shard& shard, plugin_host::ServiceCall call,
                plugin_host::ServiceDone done);

}  // namespace trv::daemon
