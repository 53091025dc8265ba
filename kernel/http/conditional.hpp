#pragma once
// Conditional requests (RFC 9110 §13), as far as they are met here: If-None-Match on reads.

#include <string_view>

#include "kernel/http/request.hpp"
#include "kernel/http/response.hpp"

namespace trv::http {

/// Whether the client has what `etag` means: If-None-Match is "*" or a list that holds it by weak comparison. A
/// field that cannot be read counts as absent. `etag` is an entity tag with its quotes.
[[nodiscard]] bool has_already(const Request& request, std::string_view etag) noexcept;

/// `response` with its ETag, or 304 without a body where the client has it already.
[[nodiscard]] Response tagged(const Request& request, std::string_view etag, Response response);

}  // namespace trv::http
