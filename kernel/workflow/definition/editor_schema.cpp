#include "kernel/workflow/definition/editor_schema.hpp"

#include <string>

#include "kernel/json/parse.hpp"
#include "kernel/workflow/definition/editor_schema_json.h"
#include "kernel/workflow/definition/fields.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

/// The properties of a part of the language with what is known of each. Some are texts for `anyOf` alone.
json::Value described(const json::Value& schema, std::string_view part) {
  const json::Value* properties = schema.find("properties");
  if (properties == nullptr) return schema;
  json::Value with_help = json::Value::object();
  for (const auto& [name, value] : properties->entries()) {
    std::string_view sentence;
    for (const FieldHelp& field : field_help()) {
      if (field.parent == part && field.name == name.as_string()) sentence = field.sentence;
    }
    json::Value property = value;
    if (!sentence.empty()) property.set("description", json::Value(sentence));
    with_help.set(name.as_string(), std::move(property));
  }
  json::Value out = schema;
  out.set("properties", std::move(with_help));
  return out;
}

}  // namespace

json::Value editor_schema() {
  const std::string_view text(reinterpret_cast<const char*>(editor_schema_json), sizeof editor_schema_json);
  const auto parsed = json::parse(text, {.bytes_max = 1'000'000, .depth_max = 64});
  TRV_ASSERT(parsed.has_value());
  json::Value schema = described(*parsed, "");
  const json::Value* parts = parsed->find("$defs");
  TRV_ASSERT(parts != nullptr && parts->is_object());
  json::Value all = json::Value::object();
  for (const auto& [name, part] : parts->entries()) {
    // The arguments of calls are one part for the sentences.
    const bool is_with = name.as_string() == "http" || name.as_string() == "openapi";
    all.set(name.as_string(), described(part, is_with ? "with" : name.as_string()));
  }
  schema.set("$defs", std::move(all));
  return schema;
}

}  // namespace trv::definition
