#pragma once
// YAML behind definition::read: takes text that is valid UTF-8 and within the size limit.

#include <string_view>

#include "kernel/workflow/definition/node.hpp"

namespace trv::definition::syntax {

[[nodiscard]] base::Result<Node> read_yaml(std::string_view text);

/// Sets kind and value of an unquoted YAML scalar by the core schema (YAML 1.2.2 §10.3).
/// False for what has no JSON form: .inf, .nan and numbers beyond the largest double.
[[nodiscard]] bool resolve_plain(std::string_view text, Node& node);
/// What a YAML scalar between single quotes says (YAML 1.2.2 §7.3.2): two quotes are one, and lines are folded.
/// libfyaml's own way to it loses memory for quotes in a row (its issue 233), up to a hundred times the length of the
/// text.
[[nodiscard]] std::string single_quoted(std::string_view between);

}  // namespace trv::definition::syntax
