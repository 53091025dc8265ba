#include "kernel/gateway/openapi.hpp"

#include "kernel/gateway/openapi_json.h"

namespace trv::gateway {

std::string_view openapi_document() noexcept {
  return {reinterpret_cast<const char*>(openapi_json), sizeof openapi_json};
}

}  // namespace trv::gateway
