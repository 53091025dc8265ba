#pragma once
// CloudEvents 1.0 over HTTP, as they come in: structured, binary or batch. https://cloudevents.io

#include <optional>
#include <vector>

#include "kernel/gateway/media.hpp"
#include "kernel/http/request.hpp"
#include "kernel/ingest/ingest_store.hpp"
#include "sdk/base/result.hpp"

namespace trv::gateway {

inline constexpr std::size_t batch_events_max = 100;

/// Whether the headers say that the request is one or several of them: by the Content-Type, or in binary mode by an
/// attribute.
[[nodiscard]] bool is_cloud_event(const http::Request& request);

/// The body as the data of an event, with its Content-Type: JSON as it is, also where none is said; text as a JSON
/// string, everything else in base64; no data where it is empty. Error: invalid, for what should be JSON and is not.
[[nodiscard]] base::Status read_data(ingest::Received& received, const http::Request& request);

/// The 415 for a body that is none of those; nullopt otherwise. In binary mode the body may be of any type.
[[nodiscard]] std::optional<http::Response> refuse_cloud_event_media(const http::Request& request);

/// Whether events from outside may have this type: those of the kernel's own events and of the lifecycle of workflows
/// would look like what they are not. Error: invalid.
[[nodiscard]] base::Status check_own_type(std::string_view type);

/// The events of a request that was not refused, in order. Extension attributes and datacontenttype are kept; data that
/// is not JSON becomes a JSON string where its type says text, else base64. Errors: invalid (with line and column where
/// it is not JSON; names the attribute, and in a batch which event), too_large for more than batch_events_max.
[[nodiscard]] base::Result<std::vector<ingest::Received>> read_cloud_events(const http::Request& request);

/// One event in the JSON format. Errors: invalid, names the attribute.
[[nodiscard]] base::Result<ingest::Received> read_cloud_event(const json::Value& event,
                                                              const base::Digest& body_sha256);

}  // namespace trv::gateway
