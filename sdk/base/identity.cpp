#include "sdk/base/identity.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace trv::base {

Status check_label(std::string_view what, std::string_view text) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-' ||
      !std::ranges::all_of(text, allowed)) {
    return fail(ErrorCode::invalid,
                fmt::format("{} '{}' must be 1 to 63 characters of a-z, 0-9 and '-', with no '-' at either end", what,
                            text.substr(0, 80)));
  }
  return {};
}

}  // namespace trv::base
