#pragma once
// The keywords of all dialects: what each may hold. The meta-schemas as a table. Pure; any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/json/value.hpp"
#include "kernel/json_schema/schema.hpp"

namespace trv::json_schema {

enum class Keyword : std::uint8_t {
  additional_items,
  additional_properties,
  all_of,
  anchor,
  annotation,  ///< every keyword that decides nothing
  any_of,
  const_,
  contains,
  definitions,  ///< also $defs
  dependencies,
  dependent_required,
  dependent_schemas,
  dynamic_anchor,
  dynamic_ref,
  else_,
  enum_,
  exclusive_maximum,
  exclusive_minimum,
  format,
  id,
  if_,
  items,
  max_contains,
  max_items,
  max_length,
  max_properties,
  maximum,
  min_contains,
  min_items,
  min_length,
  min_properties,
  minimum,
  multiple_of,
  not_,
  nullable,
  one_of,
  pattern,
  pattern_properties,
  prefix_items,
  properties,
  property_names,
  ref,
  required,
  schema,
  then_,
  type,
  unevaluated_items,
  unevaluated_properties,
  unique_items,
  vocabulary,
};

/// What a keyword may hold.
enum class Shape : std::uint8_t {
  any,
  array,
  boolean,
  text,
  uri_reference,
  id,  ///< a URI reference; without fragment in 2020-12
  anchor,
  number,
  positive_number,
  count,      ///< a whole number of 0 or more
  types,      ///< the name of a type, or several
  names,      ///< texts, each once
  truths,     ///< an object of booleans
  names_map,  ///< an object of names
  schema,     ///< from here on, what holds schemas
  schemas,    ///< an array of at least one
  schema_or_schemas,
  schema_map,
  dependencies,  ///< an object of schemas and names
};

/// Bits: which parts of 2020-12 a dialect has. The other dialects have all.
struct Vocabularies {
  bool applicator = true;
  bool unevaluated = true;
  bool validation = true;
  bool format_assertion = false;
  friend bool operator==(const Vocabularies&, const Vocabularies&) = default;
};

struct Rules {
  Dialect dialect = Dialect::draft_2020_12;
  Vocabularies vocabularies{};
  friend bool operator==(const Rules&, const Rules&) = default;
};

struct KeywordRow {
  std::string_view name;
  Keyword keyword;
  Shape shape;
};

/// Null for names that the dialect does not have.
[[nodiscard]] const KeywordRow* find_keyword(std::string_view name, const Rules& rules) noexcept;

/// The dialect that a meta-schema's URI names, with or without an empty fragment.
[[nodiscard]] std::optional<Dialect> dialect_of(std::string_view uri) noexcept;

/// Whether a dialect takes `true` and `false` for schemas everywhere.
[[nodiscard]] bool has_boolean_schemas(Dialect dialect) noexcept;
/// Whether the keywords beside `$ref` are without meaning.
[[nodiscard]] bool ref_hides_others(Dialect dialect) noexcept;

/// What is wrong at a place within a schema.
struct Misuse {
  std::string pointer;  ///< from the schema that was checked
  std::string sentence;
};
/// Whether a keyword's value has its shape; the schemas within are looked at from outside only.
[[nodiscard]] std::optional<Misuse> check_shape(const KeywordRow& row, const json::Value& value, Dialect dialect);
/// Whether `value` is a schema of the dialect, with all that is within. `steps` counts down; no answer at 0.
[[nodiscard]] std::optional<Misuse> check_schema(const json::Value& value, Dialect dialect, std::uint64_t& steps);

/// A schema within a keyword's value.
struct Subschema {
  const json::Value* place;
  std::string step;  ///< "/properties/a"
};
/// All schemas directly within a keyword's value that has its shape.
[[nodiscard]] std::vector<Subschema> subschemas(const KeywordRow& row, const json::Value& value);

/// Types as bits, in the order of `type_names`.
using TypeSet = std::uint8_t;
enum TypeBit : TypeSet {
  type_null = 1,
  type_boolean = 2,
  type_integer = 4,
  type_number = 8,
  type_string = 16,
  type_array = 32,
  type_object = 64,
};
/// "an integer or null". types is not 0.
[[nodiscard]] std::string type_words(TypeSet types);
/// nullopt for names that are none.
[[nodiscard]] std::optional<TypeSet> type_of_name(std::string_view name) noexcept;

}  // namespace trv::json_schema
