#pragma once
// Structs of the ABI made of what a fake host lends, and read as values. C++20.

#include <cstdint>
#include <string>
#include <vector>

#include "sdk/abi/ext/http.h"
#include "sdk/abi/plugin.h"
#include "sdk/conformance/exchange.hpp"
#include "sdk/conformance/lent_bytes.hpp"

namespace trv::conformance {

[[nodiscard]] inline const trv_header* lend(LentBytes& lent, const HeaderList& headers) {
  auto* raw = lent.array<trv_header>(headers.size());
  for (std::size_t i = 0; i < headers.size(); ++i) raw[i] = {lent.text(headers[i].first), lent.text(headers[i].second)};
  return raw;
}

[[nodiscard]] inline const trv_call* lend(LentBytes& lent, std::uint64_t call_id, const CallFacts& facts,
                                          std::uint32_t struct_size) {
  auto* call = lent.extended<trv_call>();
  *call = {.struct_size = struct_size,
           .attempt = facts.attempt,
           .call_id = call_id,
           .operation = lent.text(facts.operation),
           .tenant = lent.text(facts.tenant),
           .connection = lent.text(facts.connection),
           .idempotency_key = lent.text(facts.idempotency_key),
           .traceparent = lent.text(facts.traceparent),
           .timeout_ms = facts.timeout_ms,
           .input = lent.bytes(facts.input)};
  return call;
}

[[nodiscard]] inline const trv_http_response* lend(LentBytes& lent, const HttpAnswer& answer,
                                                   std::uint32_t struct_size) {
  auto* response = lent.extended<trv_http_response>();
  *response = {.struct_size = struct_size,
               .status = static_cast<std::uint32_t>(answer.status),
               .header_count = static_cast<std::uint32_t>(answer.headers.size()),
               .reserved = 0,
               .headers = lend(lent, answer.headers),
               .body = lent.bytes(answer.body)};
  return response;
}

[[nodiscard]] inline SentRequest read_request(std::uint64_t call_id, std::uint64_t request_id,
                                              const trv_http_request& raw) {
  SentRequest request = {.call_id = call_id,
                         .request_id = request_id,
                         .connection = text_of(raw.connection),
                         .method = text_of(raw.method),
                         .path = text_of(raw.path),
                         .body = text_of(raw.body),
                         .timeout_ms = raw.timeout_ms};
  for (std::uint32_t i = 0; i < raw.header_count; ++i)
    request.headers.emplace_back(text_of(raw.headers[i].name), text_of(raw.headers[i].value));
  return request;
}

/// With what is wrong with it added to `faults`.
[[nodiscard]] inline CallError read_error(const trv_error* error, std::vector<std::string>& faults) {
  if (error == nullptr || error->struct_size < TRV_ERROR_SIZE_V1) {
    faults.emplace_back("a trv_error is missing or too short");
    return {.code = 0, .message = {}};
  }
  if (error->code < TRV_ERROR_INVALID || error->code > TRV_ERROR_INTERNAL)
    faults.push_back("a trv_error has the unknown code " + std::to_string(error->code));
  if (error->message.size == 0) faults.emplace_back("a trv_error has no message");
  return {.code = error->code,
          .message = text_of(error->message),
          .retry = error->retry,
          .retry_after_ms = error->retry_after_ms,
          .status = error->status,
          .detail = text_of(error->detail)};
}

}  // namespace trv::conformance
