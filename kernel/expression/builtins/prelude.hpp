#pragma once
// Builtins that are defined in jq itself. A program compiles those that it calls.

#include <string_view>
#include <vector>

namespace trv::expression {

/// The definition `def name(…): …;`, or empty where there is none of this name and arity.
[[nodiscard]] std::string_view find_prelude(std::string_view name, int arity) noexcept;
/// Whether jq has a function of this name that is left out here on purpose.
[[nodiscard]] bool is_left_out(std::string_view name) noexcept;

struct PreludeName {
  std::string_view name;
  int arity;
};
[[nodiscard]] std::vector<PreludeName> prelude_names();

}  // namespace trv::expression
