#pragma once
// What the query of a request may name: what openapi.json, the one list of it, declares for the operation.

#include "kernel/http/request.hpp"
#include "sdk/base/result.hpp"

namespace trv::gateway {

/// Whether the matched route takes every parameter of the query, each once. Error: invalid, with the name, and the one
/// that was probably meant. Any thread.
[[nodiscard]] base::Status check_query(const http::Request& request);

}  // namespace trv::gateway
