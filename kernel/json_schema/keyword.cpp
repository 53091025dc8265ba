#include "kernel/json_schema/keyword.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "kernel/json_schema/decimal.hpp"
#include "kernel/json_schema/sentence.hpp"
#include "kernel/json_schema/uri.hpp"
#include "sdk/base/nearest.hpp"

namespace trv::json_schema {
namespace {

using Dialects = std::uint8_t;
enum : Dialects { d12 = 1, d7 = 2, d4 = 4, oas = 8, all = d12 | d7 | d4 | oas };

enum class Part : std::uint8_t { core, applicator, unevaluated, validation };

struct Row {
  KeywordRow row;
  Dialects dialects;
  Part part = Part::core;
};

// By name, those of one name together.
constexpr auto rows = std::to_array<Row>({
    {{"$anchor", Keyword::anchor, Shape::anchor}, d12},
    {{"$comment", Keyword::annotation, Shape::text}, d12 | d7},
    {{"$defs", Keyword::definitions, Shape::schema_map}, d12},
    {{"$dynamicAnchor", Keyword::dynamic_anchor, Shape::anchor}, d12},
    {{"$dynamicRef", Keyword::dynamic_ref, Shape::uri_reference}, d12},
    {{"$id", Keyword::id, Shape::id}, d12 | d7},
    {{"$ref", Keyword::ref, Shape::uri_reference}, all},
    {{"$schema", Keyword::schema, Shape::text}, d12 | d7 | d4},
    {{"$vocabulary", Keyword::vocabulary, Shape::truths}, d12},
    {{"additionalItems", Keyword::additional_items, Shape::schema}, d7 | d4, Part::applicator},
    {{"additionalProperties", Keyword::additional_properties, Shape::schema}, all, Part::applicator},
    {{"allOf", Keyword::all_of, Shape::schemas}, all, Part::applicator},
    {{"anyOf", Keyword::any_of, Shape::schemas}, all, Part::applicator},
    {{"const", Keyword::const_, Shape::any}, d12 | d7, Part::validation},
    {{"contains", Keyword::contains, Shape::schema}, d12 | d7, Part::applicator},
    {{"contentEncoding", Keyword::annotation, Shape::text}, d12 | d7},
    {{"contentMediaType", Keyword::annotation, Shape::text}, d12 | d7},
    {{"contentSchema", Keyword::annotation, Shape::schema}, d12},
    {{"definitions", Keyword::definitions, Shape::schema_map}, d12 | d7 | d4},
    {{"dependencies", Keyword::dependencies, Shape::dependencies}, d12 | d7 | d4, Part::applicator},
    {{"dependentRequired", Keyword::dependent_required, Shape::names_map}, d12, Part::validation},
    {{"dependentSchemas", Keyword::dependent_schemas, Shape::schema_map}, d12, Part::applicator},
    {{"deprecated", Keyword::annotation, Shape::boolean}, d12 | oas},
    {{"description", Keyword::annotation, Shape::text}, all},
    {{"else", Keyword::else_, Shape::schema}, d12 | d7, Part::applicator},
    {{"enum", Keyword::enum_, Shape::array}, all, Part::validation},
    {{"examples", Keyword::annotation, Shape::array}, d12 | d7},
    {{"exclusiveMaximum", Keyword::exclusive_maximum, Shape::number}, d12 | d7, Part::validation},
    {{"exclusiveMaximum", Keyword::exclusive_maximum, Shape::boolean}, d4 | oas},
    {{"exclusiveMinimum", Keyword::exclusive_minimum, Shape::number}, d12 | d7, Part::validation},
    {{"exclusiveMinimum", Keyword::exclusive_minimum, Shape::boolean}, d4 | oas},
    {{"format", Keyword::format, Shape::text}, all},
    {{"id", Keyword::id, Shape::id}, d4},
    {{"if", Keyword::if_, Shape::schema}, d12 | d7, Part::applicator},
    {{"items", Keyword::items, Shape::schema}, d12 | oas, Part::applicator},
    {{"items", Keyword::items, Shape::schema_or_schemas}, d7 | d4},
    {{"maxContains", Keyword::max_contains, Shape::count}, d12, Part::validation},
    {{"maxItems", Keyword::max_items, Shape::count}, all, Part::validation},
    {{"maxLength", Keyword::max_length, Shape::count}, all, Part::validation},
    {{"maxProperties", Keyword::max_properties, Shape::count}, all, Part::validation},
    {{"maximum", Keyword::maximum, Shape::number}, all, Part::validation},
    {{"minContains", Keyword::min_contains, Shape::count}, d12, Part::validation},
    {{"minItems", Keyword::min_items, Shape::count}, all, Part::validation},
    {{"minLength", Keyword::min_length, Shape::count}, all, Part::validation},
    {{"minProperties", Keyword::min_properties, Shape::count}, all, Part::validation},
    {{"minimum", Keyword::minimum, Shape::number}, all, Part::validation},
    {{"multipleOf", Keyword::multiple_of, Shape::positive_number}, all, Part::validation},
    {{"not", Keyword::not_, Shape::schema}, all, Part::applicator},
    {{"nullable", Keyword::nullable, Shape::boolean}, oas},
    {{"oneOf", Keyword::one_of, Shape::schemas}, all, Part::applicator},
    {{"pattern", Keyword::pattern, Shape::text}, all, Part::validation},
    {{"patternProperties", Keyword::pattern_properties, Shape::schema_map}, d12 | d7 | d4, Part::applicator},
    {{"prefixItems", Keyword::prefix_items, Shape::schemas}, d12, Part::applicator},
    {{"properties", Keyword::properties, Shape::schema_map}, all, Part::applicator},
    {{"propertyNames", Keyword::property_names, Shape::schema}, d12 | d7, Part::applicator},
    {{"readOnly", Keyword::annotation, Shape::boolean}, d12 | d7 | oas},
    {{"required", Keyword::required, Shape::names}, all, Part::validation},
    {{"then", Keyword::then_, Shape::schema}, d12 | d7, Part::applicator},
    {{"title", Keyword::annotation, Shape::text}, all},
    {{"type", Keyword::type, Shape::types}, all, Part::validation},
    {{"unevaluatedItems", Keyword::unevaluated_items, Shape::schema}, d12, Part::unevaluated},
    {{"unevaluatedProperties", Keyword::unevaluated_properties, Shape::schema}, d12, Part::unevaluated},
    {{"uniqueItems", Keyword::unique_items, Shape::boolean}, all, Part::validation},
    {{"writeOnly", Keyword::annotation, Shape::boolean}, d12 | d7 | oas},
});
static_assert(std::ranges::is_sorted(rows, {}, [](const Row& row) { return row.row.name; }));

Dialects bit_of(Dialect dialect) noexcept {
  switch (dialect) {
    case Dialect::draft_2020_12: return d12;
    case Dialect::draft_7: return d7;
    case Dialect::draft_4: return d4;
    case Dialect::openapi_3_0: return oas;
  }
  return d12;
}

bool has_part(const Vocabularies& vocabularies, Part part) noexcept {
  switch (part) {
    case Part::core: return true;
    case Part::applicator: return vocabularies.applicator;
    case Part::unevaluated: return vocabularies.unevaluated;
    case Part::validation: return vocabularies.validation;
  }
  return true;
}

constexpr auto type_names =
    std::to_array<std::string_view>({"null", "boolean", "integer", "number", "string", "array", "object"});
constexpr auto type_phrases = std::to_array<std::string_view>(
    {"null", "true or false", "an integer", "a number", "a string", "an array", "an object"});

Misuse misuse(std::string_view keyword, const json::Value& value, std::string_view expected) {
  return {fmt::format("/{}", escape_token(keyword)), fmt::format("{} is not {}", quoted(value), expected)};
}

std::optional<Misuse> check_subschema(const json::Value& value, Dialect dialect, std::string pointer) {
  if (value.is_object() || (value.is_bool() && has_boolean_schemas(dialect))) return std::nullopt;
  return Misuse{std::move(pointer), fmt::format("{} is not a schema; a schema is an object{}", quoted(value),
                                                has_boolean_schemas(dialect) ? ", true or false" : "")};
}

bool is_anchor(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && is_letter(text.front()) && std::ranges::all_of(text, [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

std::optional<Misuse> check_names(std::string_view keyword, const json::Value& value) {
  constexpr std::string_view expected = "an array of texts";
  if (!value.is_array()) return misuse(keyword, value, expected);
  std::vector<std::string_view> names;
  for (const json::Value& name : value.items()) {
    if (!name.is_string()) return misuse(keyword, name, "a text; expected is an array of property names");
    names.push_back(name.as_string());
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice == names.end()) return std::nullopt;
  return Misuse{fmt::format("/{}", escape_token(keyword)),
                fmt::format("{} is there twice", quoted(json::Value(*twice)))};
}

std::optional<Misuse> check_types(const json::Value& value, Dialect dialect) {
  const auto check_one = [&](const json::Value& name) -> std::optional<Misuse> {
    const auto type = name.is_string() ? type_of_name(name.as_string()) : std::nullopt;
    if (type && !(dialect == Dialect::openapi_3_0 && *type == type_null)) return std::nullopt;
    Misuse wrong = misuse("type", name, "the name of a type; expected is one of ");
    wrong.sentence += fmt::format("{}", fmt::join(type_names, ", "));
    const auto near = name.is_string() ? base::nearest(name.as_string(), type_names) : std::string_view();
    if (!near.empty()) wrong.sentence += fmt::format("; did you mean \"{}\"?", near);
    return wrong;
  };
  if (!value.is_array() || dialect == Dialect::openapi_3_0) return check_one(value);
  if (value.size() == 0) return misuse("type", value, "a type: an array of types has at least one");
  for (const json::Value& name : value.items()) {
    if (auto wrong = check_one(name)) return wrong;
  }
  return check_names("type", value);
}

std::optional<Misuse> check_map(const KeywordRow& row, const json::Value& value, Dialect dialect) {
  if (!value.is_object()) return misuse(row.name, value, "an object");
  for (const json::Entry& entry : value.entries()) {
    if (row.shape == Shape::names_map || (row.shape == Shape::dependencies && entry.value.is_array())) {
      auto wrong = check_names(entry.name(), entry.value);
      if (wrong) wrong->pointer.insert(0, fmt::format("/{}", row.name));
      if (wrong) return wrong;
    } else if (row.shape == Shape::truths) {
      if (!entry.value.is_bool()) return misuse(row.name, entry.value, "true or false");
    } else {
      auto wrong = check_subschema(entry.value, dialect, fmt::format("/{}/{}", row.name, escape_token(entry.name())));
      if (wrong) return wrong;
    }
  }
  return std::nullopt;
}

std::optional<Misuse> check_schemas(const KeywordRow& row, const json::Value& value, Dialect dialect) {
  if (!value.is_array() || value.size() == 0) return misuse(row.name, value, "an array of at least one schema");
  for (std::size_t i = 0; i < value.size(); ++i) {
    auto wrong = check_subschema(value.at(i), dialect, fmt::format("/{}/{}", row.name, i));
    if (wrong) return wrong;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Dialect dialect) noexcept {
  switch (dialect) {
    case Dialect::draft_2020_12: return "2020-12";
    case Dialect::draft_7: return "draft 7";
    case Dialect::draft_4: return "draft 4";
    case Dialect::openapi_3_0: return "OpenAPI 3.0";
  }
  return "";
}

const KeywordRow* find_keyword(std::string_view name, const Rules& rules) noexcept {
  const auto found = std::ranges::equal_range(rows, name, {}, [](const Row& row) { return row.row.name; });
  for (const Row& row : found) {
    if ((row.dialects & bit_of(rules.dialect)) == 0) continue;
    return has_part(rules.vocabularies, row.part) ? &row.row : nullptr;
  }
  return nullptr;
}

std::optional<Dialect> dialect_of(std::string_view uri) noexcept {
  if (uri.ends_with('#')) uri.remove_suffix(1);
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!uri.starts_with(scheme)) continue;
    const std::string_view rest = uri.substr(scheme.size());
    if (rest == "json-schema.org/draft/2020-12/schema") return Dialect::draft_2020_12;
    if (rest == "spec.openapis.org/oas/3.1/dialect/base") return Dialect::draft_2020_12;
    if (rest == "json-schema.org/draft-07/schema") return Dialect::draft_7;
    if (rest == "json-schema.org/draft-04/schema") return Dialect::draft_4;
  }
  return std::nullopt;
}

bool has_boolean_schemas(Dialect dialect) noexcept {
  return dialect == Dialect::draft_2020_12 || dialect == Dialect::draft_7;
}

bool ref_hides_others(Dialect dialect) noexcept {
  return dialect != Dialect::draft_2020_12;
}

std::optional<Misuse> check_shape(const KeywordRow& row, const json::Value& value, Dialect dialect) {
  const auto unless = [&](bool holds, std::string_view expected) -> std::optional<Misuse> {
    if (holds) return std::nullopt;
    return misuse(row.name, value, expected);
  };
  switch (row.shape) {
    case Shape::any: return std::nullopt;
    case Shape::array: return unless(value.is_array(), "an array");
    case Shape::boolean: return unless(value.is_bool(), "true or false");
    case Shape::text: return unless(value.is_string(), "a text");
    case Shape::uri_reference: return unless(value.is_string(), "a URI reference");
    case Shape::id:
      if (!value.is_string()) return misuse(row.name, value, "a URI reference");
      return unless(dialect != Dialect::draft_2020_12 || split_reference(value.as_string()).fragment.empty(),
                    "a URI reference without fragment; name a place in a schema with $anchor");
    case Shape::anchor:
      return unless(value.is_string() && is_anchor(value.as_string()),
                    "an anchor: letters, digits, `_`, `-` and `.`, not beginning with a digit");
    case Shape::number: return unless(value.is_number(), "a number");
    case Shape::positive_number: return unless(value.is_number() && value.as_double() > 0, "a number above 0");
    case Shape::count:
      return unless(value.is_number() && value.as_double() >= 0 && is_whole(value), "a whole number of 0 or more");
    case Shape::types: return check_types(value, dialect);
    case Shape::names:
      if (!has_boolean_schemas(dialect) && value.size() == 0) {
        return misuse(row.name, value, "an array of at least one property name");
      }
      return check_names(row.name, value);
    case Shape::truths:
    case Shape::names_map:
    case Shape::schema_map:
    case Shape::dependencies: return check_map(row, value, dialect);
    case Shape::schema:
      if (value.is_bool() &&
          (row.keyword == Keyword::additional_items || row.keyword == Keyword::additional_properties)) {
        return std::nullopt;
      }
      return check_subschema(value, dialect, fmt::format("/{}", row.name));
    case Shape::schema_or_schemas:
      if (value.is_array()) {
        return value.size() == 0 ? std::nullopt : check_schemas(row, value, dialect);
      }
      return check_subschema(value, dialect, fmt::format("/{}", row.name));
    case Shape::schemas: return check_schemas(row, value, dialect);
  }
  return std::nullopt;
}

std::vector<Subschema> subschemas(const KeywordRow& row, const json::Value& value) {
  std::vector<Subschema> found;
  switch (row.shape) {
    case Shape::schema:
    case Shape::schema_or_schemas:
    case Shape::schemas:
      if (value.is_array()) {
        for (std::size_t i = 0; i < value.size(); ++i) {
          found.push_back({&value.at(i), fmt::format("/{}/{}", row.name, i)});
        }
      } else {
        found.push_back({&value, fmt::format("/{}", row.name)});
      }
      break;
    case Shape::schema_map:
    case Shape::dependencies:
      for (const json::Entry& entry : value.entries()) {
        if (entry.value.is_array()) continue;
        found.push_back({&entry.value, fmt::format("/{}/{}", row.name, escape_token(entry.name()))});
      }
      break;
    default: break;
  }
  return found;
}

std::optional<Misuse> check_schema(const json::Value& value, Dialect dialect, std::uint64_t& steps) {
  if (auto wrong = check_subschema(value, dialect, "")) return wrong;
  const Rules rules{.dialect = dialect, .vocabularies = {}};
  struct Place {
    const json::Value* value;
    std::size_t trail;
  };
  struct Step {
    std::size_t parent;
    std::string text;
  };
  std::vector<Step> trail{{0, ""}};
  std::vector<Place> waiting{{&value, 0}};
  while (!waiting.empty()) {
    const Place place = waiting.back();
    waiting.pop_back();
    if (!place.value->is_object()) continue;
    for (const json::Entry& entry : place.value->entries()) {
      const std::uint64_t cost = 1 + 2 * entry.value.size();
      if (cost > steps) {
        steps = 0;
        return std::nullopt;
      }
      steps -= cost;
      const KeywordRow* row = find_keyword(entry.name(), rules);
      if (row == nullptr) continue;
      if (auto wrong = check_shape(*row, entry.value, dialect)) {
        for (std::size_t at = place.trail; at != 0; at = trail[at].parent) wrong->pointer.insert(0, trail[at].text);
        return wrong;
      }
      for (Subschema& within : subschemas(*row, entry.value)) {
        trail.push_back({place.trail, std::move(within.step)});
        waiting.push_back({within.place, trail.size() - 1});
      }
    }
  }
  return std::nullopt;
}

std::string type_words(TypeSet types) {
  std::vector<std::string_view> words;
  for (std::size_t i = 0; i < type_phrases.size(); ++i) {
    if ((types >> i & 1) != 0) words.push_back(type_phrases[i]);
  }
  TRV_EXPECTS(!words.empty());
  const std::string_view last = words.back();
  words.pop_back();
  return words.empty() ? std::string(last) : fmt::format("{} or {}", fmt::join(words, ", "), last);
}

std::optional<TypeSet> type_of_name(std::string_view name) noexcept {
  const auto* found = std::ranges::find(type_names, name);
  if (found == type_names.end()) return std::nullopt;
  return static_cast<TypeSet>(1U << static_cast<unsigned>(found - type_names.begin()));
}

}  // namespace trv::json_schema
