#pragma once
// Version 1.5.0 of the plugin "tracker", which sends and serves bodies in parts.

#include <string>

#include "sdk/base/bytes.hpp"

namespace trv::api {

/// `bodies` as in the manifest.
[[nodiscard]] base::Bytes uploads_package(const std::string& bodies = "in-parts");

}  // namespace trv::api
