#pragma once
// What was found against what a case expects. Pure; any thread.

#include <string>
#include <vector>

#include "kernel/json/value.hpp"
#include "kernel/workflow/cases/case.hpp"

namespace trv::cases {

struct Difference {
  Position position;  ///< of what is expected
  std::string message;
};

/// Empty: the case holds. `found` is Played::found.
[[nodiscard]] std::vector<Difference> differences(const Case& one, const json::Value& found);

}  // namespace trv::cases
