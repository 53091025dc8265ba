#include "kernel/plugin_host/named_secrets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace trv::plugin_host {
namespace {

constexpr int depth_max = 64;

void find_secrets(const json::Value& schema, const json::Value& value, const std::string& pointer, int depth,
                  std::vector<NamedSecret>& found) {
  if (!schema.is_object() || depth > depth_max) return;
  const json::Value* mark = schema.find("secret");
  if (mark != nullptr && mark->is_bool() && mark->as_bool() && value.is_string()) {
    found.push_back({pointer, std::string(value.as_string())});
    return;
  }
  const json::Value* properties = schema.find("properties");
  if (properties == nullptr || !properties->is_object() || !value.is_object()) return;
  for (const auto& [name, member] : properties->entries()) {
    const json::Value* given = value.find(name);
    if (given != nullptr) {
      find_secrets(member, *given, fmt::format("{}/{}", pointer, name.as_string()), depth + 1, found);
    }
  }
}

// Members of a schema that are a schema or a list of them, and those that have schemas by name. Others are data.
constexpr std::array<std::string_view, 15> holders = {"items",
                                                      "prefixItems",
                                                      "additionalItems",
                                                      "unevaluatedItems",
                                                      "contains",
                                                      "propertyNames",
                                                      "additionalProperties",
                                                      "unevaluatedProperties",
                                                      "allOf",
                                                      "anyOf",
                                                      "oneOf",
                                                      "not",
                                                      "if",
                                                      "then",
                                                      "else"};
constexpr std::array<std::string_view, 5> by_name = {"properties", "patternProperties", "dependentSchemas", "$defs",
                                                     "definitions"};

/// `is_looked_at`: named_secrets comes here.
base::Status check_marks(const json::Value& schema, const std::string& place, bool is_looked_at, int depth) {
  if (!schema.is_object()) return {};
  if (depth > depth_max) {
    return base::fail(base::ErrorCode::too_large, fmt::format("{}: more than {} levels deep", place, depth_max));
  }
  if (const json::Value* mark = schema.find("secret"); mark != nullptr) {
    if (!mark->is_bool()) {
      return base::fail(base::ErrorCode::invalid, fmt::format("{}: \"secret\" must be true or false", place));
    }
    const json::Value* type = schema.find("type");
    const bool is_text = type != nullptr && type->is_string() && type->as_string() == "string";
    if (mark->as_bool() && !(is_looked_at && is_text)) {
      return base::fail(base::ErrorCode::invalid,
                        fmt::format("{}: \"secret\": true has no effect here; write it beside \"type\": \"string\" in "
                                    "what \"properties\" names, from the outermost schema on",
                                    place));
    }
  }
  for (const auto& [key, member] : schema.entries()) {
    const std::string_view name = key.as_string();
    const std::string inner = fmt::format("{}/{}", place, name);
    if (std::ranges::find(by_name, name) != by_name.end()) {
      if (!member.is_object()) continue;
      for (const auto& [property, one] : member.entries()) {
        TRV_TRY(check_marks(one, fmt::format("{}/{}", inner, property.as_string()),
                            is_looked_at && name == "properties", depth + 1));
      }
    } else if (std::ranges::find(holders, name) != holders.end()) {
      TRV_TRY(check_marks(member, inner, false, depth + 1));
      if (!member.is_array()) continue;
      for (std::size_t index = 0; index < member.items().size(); ++index) {
        TRV_TRY(check_marks(member.items()[index], fmt::format("{}/{}", inner, index), false, depth + 1));
      }
    }
  }
  return {};
}

}  // namespace

base::Status check_secret_marks(const json::Value& schema) {
  return check_marks(schema, "#", true, 0);
}

std::vector<NamedSecret> named_secrets(const json::Value& schema, const json::Value& configuration) {
  std::vector<NamedSecret> found;
  find_secrets(schema, configuration, "", 0, found);
  return found;
}

}  // namespace trv::plugin_host
