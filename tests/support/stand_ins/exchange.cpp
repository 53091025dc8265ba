#include "tests/support/stand_ins/exchange.hpp"

#include <algorithm>
#include <cctype>

namespace trv::stand_ins {

std::string_view Request::header(std::string_view name) const noexcept {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  };
  for (const auto& [key, value] : headers)
    if (std::equal(key.begin(), key.end(), name.begin(), name.end(), same)) return value;
  return {};
}

}  // namespace trv::stand_ins
