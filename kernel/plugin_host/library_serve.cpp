// trv.serve/1 of a library: requests over HTTP for it, and its responses.

#include <fmt/format.h>

#include <vector>

#include "kernel/plugin_host/library_plugin.hpp"
#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/contract.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;

base::Result<WebResponse> read_response(const trv_serve_response* response) {
  if (response == nullptr || response->struct_size < TRV_SERVE_RESPONSE_SIZE_V1) {
    return base::fail(ErrorCode::invalid, "trv_serve_response is null or too small");
  }
  // What is over its limit is not copied.
  if (response->header_count > web_headers_max) {
    return base::fail(ErrorCode::too_large, fmt::format("more than {} headers", web_headers_max));
  }
  if (response->header_count > 0 && response->headers == nullptr) {
    return base::fail(ErrorCode::invalid, "trv_serve_response.headers is null");
  }
  if (response->body.size > web_body_bytes_max) {
    return base::fail(ErrorCode::too_large, fmt::format("the body has {} bytes, at most {} are sent",
                                                        response->body.size, web_body_bytes_max));
  }
  WebResponse read{.status = response->status, .headers = {}, .body = std::string(view(response->body))};
  for (std::uint32_t i = 0; i < response->header_count; ++i) {
    const std::string_view name = view(response->headers[i].name);
    const std::string_view value = view(response->headers[i].value);
    if (name.size() > web_header_bytes_max || value.size() > web_header_bytes_max) {
      return base::fail(ErrorCode::too_large, fmt::format("a header has more than {} bytes", web_header_bytes_max));
    }
    read.headers.push_back({std::string(name), std::string(value)});
  }
  return read;
}

}  // namespace

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
