#pragma once
// One parameter of an OpenAPI operation, and how its value is written where it goes: the styles of OpenAPI 3 and the
// collection formats of Swagger 2.0. Pure; any thread.

#include <string>
#include <string_view>

#include "kernel/json/value.hpp"
#include "sdk/base/result.hpp"

namespace trv::effects {

struct OpenApiParameter {
  std::string name;
  std::string in;  ///< query, path, header, cookie, body or formData
  bool required = false;
  bool explode = false;
  bool is_file = false;
  bool is_json = false;  ///< OpenAPI 3: `content` in the place of a schema
  std::string style;     ///< of OpenAPI 3; a collection format is the style that means the same
  const json::Value* default_ = nullptr;
};

/// `described` outlives what it gives.
[[nodiscard]] OpenApiParameter read_parameter(const json::Value& described, bool is_swagger);

/// Text as it is, everything else as JSON.
[[nodiscard]] std::string plain_text(const json::Value& value);

// Percent-encoded where they must be. Error: invalid, what the value or its style is not; without the operation.
[[nodiscard]] base::Result<std::string> query_text(const OpenApiParameter& parameter, const json::Value& value);
[[nodiscard]] base::Result<std::string> path_text(const OpenApiParameter& parameter, const json::Value& value);
[[nodiscard]] base::Result<std::string> header_text(const OpenApiParameter& parameter, const json::Value& value);

}  // namespace trv::effects
