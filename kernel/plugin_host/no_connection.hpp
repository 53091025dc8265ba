#pragma once
// What a request without a connection is refused with: a caller that knows more adds it. Any thread.

#include <string_view>

namespace trv::plugin_host {

inline constexpr std::string_view no_connection_given = "no connection was given";

}  // namespace trv::plugin_host
