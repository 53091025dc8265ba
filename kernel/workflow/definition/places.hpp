#pragma once
// Where problems are, for those who show them: how far each goes in its line, and in which value of the definition.
// Pure; any thread.

#include <memory>
#include <string_view>
#include <vector>

#include "kernel/json/value.hpp"
#include "kernel/workflow/definition/expression.hpp"
#include "kernel/workflow/definition/node.hpp"
#include "kernel/workflow/definition/problems.hpp"

namespace trv::definition {

/// Of a longer pointer the value around it has the problem: each of a hundred problems may be below one long key.
inline constexpr std::size_t pointer_bytes_max = 2'000;

/// Sets length and pointer of each problem that has a place. `root` is what was read from the text; null where it
/// could not be read.
void locate(std::vector<Problem>& problems, std::string_view text, const Node* root);

/// Sets the field of each place, whose offset is that of a text in the tree.
void name_fields(std::vector<std::shared_ptr<ExpressionPlace>>& places, const Node& root);

/// severity, line, column, end_column (behind the last byte at fault), pointer, source (the line, at most
/// source_bytes_max of it), source_column (of the first byte of source, where that is not 1), expected, suggestion;
/// what is not known is left out. The message is the caller's to add, under the name that its readers know.
[[nodiscard]] json::Value members_of(const Problem& problem, std::string_view text);

inline constexpr std::size_t source_bytes_max = 240;

}  // namespace trv::definition
