#pragma once
// How a command line names a workflow. Pure; any thread.

#include <string>
#include <string_view>

#include "sdk/base/result.hpp"

namespace trv::cli {

/// NS/NAME or NS/NAME:VERSION
struct WorkflowName {
  std::string space;
  std::string name;
  std::string version;  ///< empty = the newest

  /// Error: invalid.
  [[nodiscard]] static base::Result<WorkflowName> parse(std::string_view text);
};

}  // namespace trv::cli
