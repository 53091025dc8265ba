#pragma once
// What can be written where in a definition, with a sentence on each: for editors. Pure; any thread.

#include <span>
#include <string_view>

namespace trv::definition {

struct FieldHelp {
  std::string_view parent;  ///< the property around it; "" at the top, "task" in a task
  std::string_view name;
  std::string_view sentence;
};

[[nodiscard]] std::span<const FieldHelp> field_help() noexcept;
/// Of a property within `parent`; else of one of that name anywhere. Empty where there is none.
[[nodiscard]] std::string_view help_for(std::string_view parent, std::string_view name) noexcept;

}  // namespace trv::definition
