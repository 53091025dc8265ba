#pragma once
// What an OpenAPI document (3.0, 3.1, Swagger 2.0) says of one operation, as an HTTP request. Pure; any thread.

#include <string>
#include <string_view>
#include <vector>

#include "kernel/egress/request.hpp"
#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::effects {

struct OpenApiCall {
  std::string_view address;  ///< of the document: what is relative in it, and every error, says so
  std::string_view operation_id;
  json::Value parameters;  ///< an object by name; `body` is the request's body where no parameter has that name
};

struct OpenApiRequest {
  std::string method;
  std::string url;
  std::vector<egress::Header> headers;
  std::string body;
};

/// JSON, or YAML of at most definition::text_bytes_max. Error: invalid, names the address.
[[nodiscard]] base::Result<json::Value> read_openapi_document(std::string_view address, std::string_view text);

/// Errors: invalid, names document, operation and parameter. References within the document are followed.
[[nodiscard]] base::Result<OpenApiRequest> openapi_request(const json::Value& document, const OpenApiCall& call);

}  // namespace trv::effects
