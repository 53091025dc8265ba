#include "kernel/plugin_host/web_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "kernel/plugin_host/payload.hpp"
#include "sdk/base/field_text.hpp"

namespace trv::plugin_host {
namespace {

using base::ErrorCode;
using base::fail;

// Lists of what passes, not of what does not: a header that nobody thought of stays outside.
constexpr std::array<std::string_view, 14> of_requests = {
    "accept",        "accept-encoding", "accept-language",   "content-type",         "if-match",
    "if-none-match", "last-event-id",   "mcp-session-id",    "mcp-protocol-version", "prefer",
    "range",         "user-agent",      "if-modified-since", "x-request-id"};
constexpr std::array<std::string_view, 12> of_responses = {
    "cache-control", "content-encoding",    "content-disposition", "content-language", "content-type",
    "etag",          "last-modified",       "mcp-session-id",      "retry-after",      "accept-ranges",
    "content-range", "mcp-protocol-version"};

}  // namespace

bool passes_to_plugin(std::string_view name) noexcept {
  return std::ranges::find(of_requests, name) != of_requests.end();
}

base::Status check_response(WebResponse& response) {
  if (response.status < 200 || response.status > 599) {
    return fail(ErrorCode::invalid, fmt::format("the status is {}, not 200 to 599", response.status));
  }
  if (response.body.size() > web_body_bytes_max) {
    return fail(ErrorCode::too_large,
                fmt::format("the body has {} bytes, at most {} are sent", response.body.size(), web_body_bytes_max));
  }
  if (response.headers.size() > web_headers_max) {
    return fail(ErrorCode::too_large,
                fmt::format("{} headers, at most {} are sent", response.headers.size(), web_headers_max));
  }
  for (std::size_t at = 0; at < response.headers.size(); ++at) {
    egress::Header& header = response.headers[at];
    header.name = base::lower(header.name);
    const std::string name = printable(header.name, 80);
    if (std::ranges::find(of_responses, header.name) == of_responses.end()) {
      return fail(ErrorCode::invalid, fmt::format("the header '{}' is not one that a plugin may send; it may send {}",
                                                  name, fmt::join(of_responses, ", ")));
    }
    if (header.value.size() > web_header_bytes_max || !base::is_field_value(header.value)) {
      return fail(ErrorCode::invalid, fmt::format("the header '{}' has control characters or more than {} bytes", name,
                                                  web_header_bytes_max));
    }
    const auto before = response.headers.begin() + static_cast<std::ptrdiff_t>(at);
    if (std::find_if(response.headers.begin(), before,
                     [&](const egress::Header& one) { return one.name == header.name; }) != before) {
      return fail(ErrorCode::invalid, fmt::format("the header '{}' comes twice", name));
    }
  }
  return {};
}

base::Status check_head(WebResponse& head) {
  TRV_TRY(check_response(head));
  if (head.status == 204 || head.status == 304) {
    return fail(ErrorCode::invalid,
                fmt::format("an answer of status {} has no body that could come in parts", head.status));
  }
  if (head.body.size() <= stream_part_bytes_max) return {};
  return fail(ErrorCode::too_large, fmt::format("the first part has {} bytes, at most {} are in one", head.body.size(),
                                                stream_part_bytes_max));
}

}  // namespace trv::plugin_host
