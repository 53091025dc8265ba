#include "kernel/plugin_host/library_values.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "kernel/plugin_host/payload.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;

constexpr std::size_t method_bytes_max = 32;

}  // namespace

base::Result<egress::Request> read_request(const trv_http_request* request) {
  const auto refuse = [](ErrorCode code, std::string_view why) { return base::fail(code, std::string(why)); };
  if (request == nullptr || request->struct_size < TRV_HTTP_REQUEST_SIZE_V1) {
    return refuse(ErrorCode::invalid, "trv_http_request is null or too small");
  }
  if (request->header_count > egress::request_headers_max || request->body.size > egress::request_body_bytes_max ||
      request->path.size > egress::url_bytes_max || request->method.size > method_bytes_max) {
    return refuse(ErrorCode::too_large, "the request's headers, body, path or method are over the limit");
  }
  if (request->header_count > 0 && request->headers == nullptr) {
    return refuse(ErrorCode::invalid, "trv_http_request.headers is null");
  }
  egress::Request read;
  std::size_t header_bytes = 0;
  for (std::uint32_t i = 0; i < request->header_count; ++i) {
    const std::string_view name = view(request->headers[i].name);
    const std::string_view value = view(request->headers[i].value);
    header_bytes += name.size() + value.size();
    if (header_bytes > egress::request_header_bytes_max) {
      return refuse(ErrorCode::too_large, "the request's headers are over the limit");
    }
    read.headers.push_back({std::string(name), std::string(value)});
  }
  read.connection = view(request->connection);
  read.method = view(request->method);
  read.path = view(request->path);
  read.body = view(request->body);
  read.timeout_ms = request->timeout_ms;
  return read;
}

trv_error borrowed_error(const base::Error& error) {
  const ErrorCode code = error.code();
  const bool may_retry = code == ErrorCode::unavailable || code == ErrorCode::timeout || code == ErrorCode::exhausted;
  return {.struct_size = sizeof(trv_error),
          .code = to_abi(code),
          .retry = may_retry ? TRV_RETRY_SAFE : TRV_RETRY_NEVER,
          .status = 0,
          .retry_after_ms = 0,
          .message = borrowed(error.message()),
          .detail = {}};
}

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

}  // namespace trv::plugin_host
