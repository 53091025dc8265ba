// trv.serve/1 of a library: requests over HTTP for it, and its responses.

#include <fmt/format.h>

#include <vector>

#include "kernel/plugin_host/library_plugin.hpp"
#include "kernel/plugin_host/library_values.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {

using base::ErrorCode;

void LibraryPlugin::serve(const CallRequest& request, CallId call, std::uint64_t timeout_ms) {
  TRV_EXPECTS(request.web != nullptr);
  if (plugin_serve_ == nullptr) {
    return side_.answer_failed(call, {.code = ErrorCode::not_found,
                                      .message = fmt::format("plugin '{}' {} serves nothing: its library has no {}",
                                                             library_->id(), library_->version(), TRV_EXT_SERVE),
                                      .detail = {}});
  }
  const WebRequest& web = request.web->request;
  std::vector<trv_header> headers;
  headers.reserve(web.headers.size());
  for (const egress::Header& header : web.headers) {
    headers.push_back({.name = borrowed(header.name), .value = borrowed(header.value)});
  }
  const trv_serve_request given = {.struct_size = sizeof(trv_serve_request),
                                   .header_count = static_cast<std::uint32_t>(headers.size()),
                                   .call_id = call,
                                   .headers = headers.data(),
                                   .tenant = borrowed(request.tenant.value()),
                                   .principal = borrowed(web.principal),
                                   .principal_name = borrowed(web.principal_name),
                                   .role = borrowed(web.role),
                                   .method = borrowed(web.method),
                                   .path = borrowed(web.path),
                                   .query = borrowed(web.query),
                                   .idempotency_key = borrowed(request.idempotency_key),
                                   .traceparent = borrowed(request.traceparent),
                                   .timeout_ms = timeout_ms,
                                   .body = borrowed_bytes(web.body)};
  plugin_serve_->serve(plugin_, &given);
}

const trv_host_serve LibraryPlugin::serve_service = {
    .struct_size = sizeof(trv_host_serve),
    .respond = [](const trv_host* host, std::uint64_t id, const trv_serve_response* response) {
      self(host).side_.respond(id, read_response(response));
    }};

}  // namespace trv::plugin_host
