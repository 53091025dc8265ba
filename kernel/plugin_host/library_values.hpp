#pragma once
// Structs of the plugin ABI read into values, and the other way round. Nothing of a struct is kept; what is over a
// limit is not copied.

#include "kernel/egress/request.hpp"
#include "kernel/plugin_host/web_request.hpp"
#include "sdk/abi/ext/http.h"
#include "sdk/abi/ext/serve.h"
#include "sdk/abi/types.h"
#include "sdk/base/result.hpp"

namespace trv::plugin_host {

/// What the plugin chose; the rest is the host's. Errors: invalid, too_large.
[[nodiscard]] base::Result<egress::Request> read_request(const trv_http_request* request);
/// The kernel looks at the rest of its limits (check_response). Errors: invalid, too_large.
[[nodiscard]] base::Result<WebResponse> read_response(const trv_serve_response* response);
/// Borrowed from the error.
[[nodiscard]] trv_error borrowed_error(const base::Error& error);

}  // namespace trv::plugin_host
