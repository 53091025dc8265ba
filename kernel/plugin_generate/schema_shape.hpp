#pragma once
// What single JSON Schemas say of the shape of a value. Pure; any thread.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/json/value.hpp"
#include "kernel/plugin_generate/model.hpp"

namespace trv::plugin_generate {

struct SchemaKind {
  Shape shape = Shape::any;
  bool is_nullable = false;
  std::string reason = {};  ///< why the shape is any; may be empty
};
/// By `type`, or else by what there is beside.
[[nodiscard]] SchemaKind kind_of(const json::Value& schema);

/// The other one of anyOf or oneOf of two, one of which is null; nullptr where it is otherwise. Borrowed.
[[nodiscard]] const json::Value* beside_null(const json::Value& schema);

/// The first keyword beside `$ref` that says something of the value's shape.
[[nodiscard]] std::optional<std::string> shaping_keyword_beside_reference(const json::Value& schema);

/// The first combination (allOf, if, …) by which an object has members that `properties` does not name.
[[nodiscard]] std::optional<std::string> combination_that_adds_members(const json::Value& schema);

/// The texts in `required`, each once.
[[nodiscard]] std::vector<std::string> required_of(const json::Value& schema);

/// Where a reference leads to.
struct ReferenceTarget {
  const json::Value* schema;  ///< borrowed from the document
  std::string place;          ///< "/$defs/issue"; "" is the whole document
  std::string name;           ///< "issue"; empty for the whole document
};
/// Of "#" and "#/…"; nullopt for any other, and where nothing is there.
[[nodiscard]] std::optional<ReferenceTarget> find_reference(const json::Value& document, std::string_view reference);

}  // namespace trv::plugin_generate
