#pragma once
// CloudEvents 1.0 over HTTP, as they come in: structured, binary or batch. https://cloudevents.io

#include <vector>

#include "kernel/http/request.hpp"
#include "kernel/ingest/ingest_store.hpp"
#include "sdk/base/result.hpp"

namespace trv::gateway {

inline constexpr std::size_t batch_events_max = 100;

/// The events of a request, in order. Errors: invalid (with line and column where it is no JSON; names the attribute,
/// and in a batch which event), too_large for more than batch_events_max.
[[nodiscard]] base::Result<std::vector<ingest::Received>> read_cloud_events(const http::Request& request);

}  // namespace trv::gateway
