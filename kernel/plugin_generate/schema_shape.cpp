#include "kernel/plugin_generate/schema_shape.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace trv::plugin_generate {
namespace {

using json::Value;

bool is_null_alone(const Value& schema) {
  const Value* type = schema.find("type");
  if (type != nullptr) return type->is_string() && type->as_string() == "null";
  const Value* constant = schema.find("const");
  return constant != nullptr && constant->is_null();
}

std::optional<Shape> shape_named(std::string_view type) {
  if (type == "boolean") return Shape::boolean;
  if (type == "integer") return Shape::integer;
  if (type == "number") return Shape::number;
  if (type == "string") return Shape::text;
  if (type == "array") return Shape::array;
  if (type == "object") return Shape::object;
  return std::nullopt;
}

/// Without `type`: what its keywords are about.
SchemaKind kind_without_type(const Value& schema) {
  if (schema.find("properties") != nullptr) return {.shape = Shape::object};
  if (schema.find("items") != nullptr) return {.shape = Shape::array};
  for (const char* keyword : {"anyOf", "oneOf", "allOf", "not", "if", "$dynamicRef", "$recursiveRef"}) {
    if (schema.find(keyword) != nullptr) return {.reason = keyword};
  }
  return {};
}

bool only_restricts(const Value& part, const Value& properties) {
  if (!part.is_object()) return true;
  return std::ranges::all_of(part.entries(), [&](const json::Entry& entry) {
    const std::string_view keyword = entry.name();
    if (keyword == "properties") {
      return entry.value.is_object() && std::ranges::all_of(entry.value.entries(), [&](const json::Entry& property) {
               return properties.find(property.name()) != nullptr;
             });
    }
    if (keyword == "anyOf" || keyword == "oneOf" || keyword == "allOf") {
      return entry.value.is_array() && std::ranges::all_of(entry.value.items(), [&](const Value& inner) {
               return only_restricts(inner, properties);
             });
    }
    constexpr std::array<std::string_view, 9> restricting = {
        "required", "not", "minProperties", "maxProperties", "title", "description", "$comment", "type", "examples"};
    return std::ranges::find(restricting, keyword) != restricting.end();
  });
}

/// One step of a JSON pointer in a fragment.
std::optional<std::string> step_of(std::string_view text) {
  std::string step;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%') {
      unsigned value = 0;
      const std::string_view digits = text.substr(at + 1, 2);
      const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
      if (digits.size() < 2 || read.ptr != digits.data() + 2 || value == 0) return std::nullopt;
      step += static_cast<char>(value);
      at += 2;
    } else {
      step += text[at];
    }
  }
  std::string plain;
  for (std::size_t at = 0; at < step.size(); ++at) {
    if (step[at] == '~' && at + 1 < step.size() && (step[at + 1] == '0' || step[at + 1] == '1')) {
      plain += step[++at] == '0' ? '~' : '/';
    } else {
      plain += step[at];
    }
  }
  return plain;
}

}  // namespace

SchemaKind kind_of(const Value& schema) {
  const Value* type = schema.find("type");
  if (type == nullptr) return kind_without_type(schema);
  std::vector<std::string> names;
  if (type->is_string()) names.emplace_back(type->as_string());
  if (type->is_array()) {
    for (const Value& one : type->items()) {
      if (one.is_string()) names.emplace_back(one.as_string());
    }
  }
  SchemaKind kind;
  kind.is_nullable = std::erase(names, "null") > 0;
  // Every integer is a number.
  if (std::ranges::find(names, "number") != names.end()) std::erase(names, "integer");
  if (names.empty()) return {.shape = kind.is_nullable ? Shape::null : Shape::any};
  const auto shape = shape_named(names.front());
  if (names.size() > 1 || !shape) {
    kind.reason = "several types";
    return kind;
  }
  kind.shape = *shape;
  return kind;
}

const Value* beside_null(const Value& schema) {
  if (schema.find("type") != nullptr) return nullptr;
  for (const char* keyword : {"anyOf", "oneOf"}) {
    const Value* parts = schema.find(keyword);
    if (parts == nullptr || !parts->is_array() || parts->size() != 2) continue;
    if (is_null_alone(parts->at(0))) return &parts->at(1);
    if (is_null_alone(parts->at(1))) return &parts->at(0);
  }
  return nullptr;
}

std::optional<std::string> shaping_keyword_beside_reference(const Value& schema) {
  constexpr std::array<std::string_view, 8> shaping = {"properties", "allOf",       "anyOf", "oneOf",
                                                       "items",      "prefixItems", "enum",  "const"};
  for (const json::Entry& entry : schema.entries()) {
    if (std::ranges::find(shaping, entry.name()) != shaping.end()) return std::string(entry.name());
  }
  return std::nullopt;
}

std::optional<std::string> combination_that_adds_members(const Value& schema) {
  const Value none = Value::object();
  const Value* found = schema.find("properties");
  const Value& properties = found == nullptr ? none : *found;
  for (const char* keyword : {"allOf", "anyOf", "oneOf"}) {
    const Value* parts = schema.find(keyword);
    if (parts == nullptr || !parts->is_array()) continue;
    if (!std::ranges::all_of(parts->items(), [&](const Value& part) { return only_restricts(part, properties); })) {
      return keyword;
    }
  }
  for (const char* keyword : {"then", "else"}) {
    const Value* part = schema.find(keyword);
    if (part != nullptr && !only_restricts(*part, properties)) return keyword;
  }
  if (schema.find("dependentSchemas") != nullptr) return "dependentSchemas";
  return std::nullopt;
}

std::vector<std::string> required_of(const Value& schema) {
  std::vector<std::string> names;
  const Value* required = schema.find("required");
  if (required == nullptr || !required->is_array()) return names;
  for (const Value& one : required->items()) {
    if (!one.is_string()) continue;
    if (std::ranges::find(names, one.as_string()) == names.end()) names.emplace_back(one.as_string());
  }
  return names;
}

std::optional<ReferenceTarget> find_reference(const Value& document, std::string_view reference) {
  if (!reference.starts_with('#')) return std::nullopt;
  ReferenceTarget target{.schema = &document, .place = {}, .name = {}};
  std::string_view rest = reference.substr(1);
  while (!rest.empty()) {
    if (rest.front() != '/') return std::nullopt;
    const std::size_t end = std::min(rest.find('/', 1), rest.size());
    const auto step = step_of(rest.substr(1, end - 1));
    if (!step) return std::nullopt;
    target.schema = target.schema->find(*step);
    if (target.schema == nullptr) return std::nullopt;
    target.place += '/' + std::string(rest.substr(1, end - 1));
    target.name = *step;
    rest = rest.substr(end);
  }
  return target;
}

}  // namespace trv::plugin_generate
