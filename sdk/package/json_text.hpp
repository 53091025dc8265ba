#pragma once
// JSON text that a person writes by hand, with the place of what is wrong in it. Pure; any thread.

#include <boost/json/value.hpp>

#include <cstddef>
#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::package {

/// The value of a text in which no object has a key twice: of two, a reader takes one, and a reviewer may see the
/// other. Error: invalid, "JSON at line 2, column 8: …"; columns count bytes from 1.
[[nodiscard]] base::Result<boost::json::value> parse_json_text(std::string_view text, std::size_t depth_max);

}  // namespace trv::package
