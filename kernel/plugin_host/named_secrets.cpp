#include "kernel/plugin_host/named_secrets.hpp"

#include <fmt/format.h>

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

}  // namespace

std::vector<NamedSecret> named_secrets(const json::Value& schema, const json::Value& configuration) {
  std::vector<NamedSecret> found;
  find_secrets(schema, configuration, "", 0, found);
  return found;
}

}  // namespace trv::plugin_host
