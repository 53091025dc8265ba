#pragma once
// All that is wrong with the text of a definition at once, for its author; compile() is for who executes it.
// Pure; any thread.

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "kernel/workflow/definition/catalog.hpp"
#include "kernel/workflow/definition/definition.hpp"
#include "kernel/workflow/definition/problems.hpp"

namespace trv::definition {

struct Findings {
  /// In the order of the text; at most Problems::kept_max, errors rather than warnings.
  std::vector<Problem> problems;
  std::size_t errors = 0;    ///< all there are; 0 without unfetched functions: compile() takes the text
  std::size_t warnings = 0;  ///< all there are
  Name name;                 ///< where there is no error
  /// Functions that the text calls and does not have. A warning says so of each.
  std::vector<UnfetchedFunction> unfetched;
};

struct Checked {
  Findings findings;
  std::optional<Definition> definition;  ///< where there is no error and no function to fetch
  std::optional<base::Error> error;      ///< the first, as compile() gives it
};

/// Adds problems of a definition that compiles which only the caller can know.
using MoreChecks = std::function<void(const Definition&, const Node& root, Problems&)>;

/// A text that is not YAML or JSON, or is over a limit, has that one problem. What can only be known once a problem is
/// mended is found then: the parts of a task whose kind is not known are not looked at.
[[nodiscard]] Findings check(std::string_view text, Format format);
/// The same, with what was compiled.
[[nodiscard]] Checked check_and_compile(std::string_view text, Format format, const MoreChecks& more = {});

}  // namespace trv::definition
