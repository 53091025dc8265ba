#include "kernel/plugin_host/operation_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "kernel/plugin_host/payload.hpp"

namespace trv::plugin_host {
namespace {

constexpr std::size_t names_bytes_max = 1'000;

/// Both sorted. Those of `of` that `other` lacks; empty where there are none.
std::string without(const std::vector<std::string>& of, const std::vector<std::string>& other) {
  std::vector<std::string> missing;
  std::ranges::set_difference(of, other, std::back_inserter(missing));
  return printable(fmt::format("{}", fmt::join(missing, ", ")), names_bytes_max);
}

}  // namespace

base::Status compare_operations(std::string_view plugin, std::string_view version, std::vector<std::string> of_manifest,
                                std::vector<std::string> of_code) {
  std::ranges::sort(of_manifest);
  std::ranges::sort(of_code);
  const std::string lacking = without(of_manifest, of_code);
  const std::string unnamed = without(of_code, of_manifest);
  if (lacking.empty() && unnamed.empty()) return {};
  std::string why;
  if (!lacking.empty()) why = fmt::format("its manifest names operations that its code does not have: {}", lacking);
  if (!unnamed.empty()) {
    why +=
        fmt::format("{}its code has operations that its manifest does not name: {}", why.empty() ? "" : "; ", unnamed);
  }
  return base::fail(base::ErrorCode::invalid, fmt::format("plugin '{}' {}: {}", plugin, version, why));
}

}  // namespace trv::plugin_host
