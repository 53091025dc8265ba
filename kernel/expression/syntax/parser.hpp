#pragma once
// Program text to a syntax tree.

#include <string_view>

#include "kernel/expression/syntax/syntax.hpp"
#include "sdk/base/result.hpp"

namespace trv::expression {

/// Errors: too_large for nesting over the limit; invalid otherwise. Both with line and column.
[[nodiscard]] base::Result<SyntaxTree> parse(std::string_view text);

}  // namespace trv::expression
