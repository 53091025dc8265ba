#pragma once
// Which travd this is.

#include <string_view>

namespace trv::daemon {

/// For example "0.1.0".
[[nodiscard]] std::string_view version() noexcept;

}  // namespace trv::daemon
