#pragma once
// The API's description: openapi.json beside this file, as it was when this was built.

#include <string_view>

namespace trv::gateway {

/// OpenAPI 3.1, JSON. A test holds it against the routes.
[[nodiscard]] std::string_view openapi_document() noexcept;

}  // namespace trv::gateway
