#pragma once
// Requests over HTTP for the plugin under test (trv.serve/1), and its responses. C++20.

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/abi/ext/serve.h"
#include "sdk/conformance/exchange.hpp"
#include "sdk/conformance/lent_bytes.hpp"
#include "sdk/conformance/raw_values.hpp"

namespace trv::conformance {

/// A request of a client; of `call` what such a request has.
struct WebFacts {
  std::string method = "GET";
  std::string path = "/";
  std::string query = {};
  HeaderList headers = {};
  std::string body = {};
  bool body_in_parts = false;  ///< as the plugin reads it (trv.stream/2)
  std::string principal_name = "Ada";
  std::string role = "owner";
  CallFacts call = {};
};

[[nodiscard]] inline const trv_serve_request* lend(LentBytes& lent, std::uint64_t call_id, const WebFacts& facts) {
  auto* request = lent.extended<trv_serve_request>();
  *request = {.struct_size = sizeof(trv_serve_request),
              .header_count = static_cast<std::uint32_t>(facts.headers.size()),
              .call_id = call_id,
              .headers = lend(lent, facts.headers),
              .tenant = lent.text(facts.call.tenant),
              .principal = lent.text("token:t1"),
              .principal_name = lent.text(facts.principal_name),
              .role = lent.text(facts.role),
              .method = lent.text(facts.method),
              .path = lent.text(facts.path),
              .query = lent.text(facts.query),
              .idempotency_key = lent.text(facts.call.idempotency_key),
              .traceparent = lent.text(facts.call.traceparent),
              .timeout_ms = facts.call.timeout_ms,
              .body = lent.bytes(facts.body_in_parts ? std::string() : facts.body)};
  return request;
}

/// The response, with what a host refuses of it added to `faults`.
[[nodiscard]] inline HttpAnswer read_response(const trv_serve_response* raw, std::vector<std::string>& faults) {
  static constexpr std::array<std::string_view, 12> may_send = {
      "accept-ranges",    "cache-control",  "content-encoding",     "content-disposition",
      "content-language", "content-range",  "content-type",         "etag",
      "last-modified",    "mcp-session-id", "mcp-protocol-version", "retry-after"};
  HttpAnswer answer = {.status = 0, .body = {}, .headers = {}};
  if (raw == nullptr || raw->struct_size < TRV_SERVE_RESPONSE_SIZE_V1) {
    faults.emplace_back("a trv_serve_response is missing or too short");
    return answer;
  }
  answer.status = static_cast<int>(raw->status);
  answer.body = text_of(raw->body);
  if (answer.status < 200 || answer.status > 599) faults.emplace_back("a response has a status outside 200 to 599");
  if (answer.body.size() > 1'000'000) faults.emplace_back("the body of a response is over 1,000,000 bytes");
  for (std::uint32_t i = 0; i < raw->header_count; ++i) {
    const std::string name = text_of(raw->headers[i].name);
    const std::string value = text_of(raw->headers[i].value);
    bool is_known = false;
    for (const std::string_view one : may_send) is_known = is_known || find_header({{name, ""}}, one);
    if (!is_known) faults.push_back("a response has the header " + name + ", which is not one that a plugin may send");
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
      faults.push_back("the header " + name + " of a response has a line break");
    answer.headers.emplace_back(name, value);
  }
  return answer;
}

}  // namespace trv::conformance
