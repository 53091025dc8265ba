#include "kernel/cli/commands/operation_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernel/cli/commands/operation_help.hpp"
#include "kernel/json_schema/schema.hpp"
#include "sdk/base/contract.hpp"

namespace trv::cli {
namespace {

using definition::Node;
using definition::PluginCall;

/// Of a call that names a version; `call: mcp` and `call: a2a` take the version that the tenant has enabled.
const PluginCall* operation_of(const definition::Task& task) {
  const auto* called = std::get_if<PluginCall>(&task.body);
  return called != nullptr && !called->version.empty() ? called : nullptr;
}

/// Each schema is compiled once, however often its operation is called.
class InputSchemas {
 public:
  /// What is wrong with the input; empty: nothing that can be known.
  std::string refusal_of(const KnownOperation& operation, const json::Value& input) {
    if (operation.input.is_null()) return {};
    const auto [found, is_new] = compiled_.try_emplace(&operation);
    if (is_new) {
      auto schema = json_schema::compile(operation.input);
      if (schema) found->second = *std::move(schema);
    }
    if (!found->second) return {};
    const auto problems = found->second->validate(input);
    return problems && !problems->empty() ? json_schema::to_text(*problems) : std::string();
  }

 private:
  std::map<const KnownOperation*, std::optional<json_schema::Schema>> compiled_;
};

}  // namespace

bool calls_operations(const definition::Definition& definition) {
  return std::ranges::any_of(definition.tasks, [](const auto& task) { return operation_of(task) != nullptr; });
}

void check_operations(const Operations& known, std::string_view of, const definition::Definition& definition,
                      const Node& root, definition::Problems& problems) {
  std::vector<std::string_view> names;
  names.reserve(known.size());
  for (const KnownOperation& operation : known) names.push_back(operation.call);
  InputSchemas schemas;
  for (const definition::Task& task : definition.tasks) {
    const PluginCall* called = operation_of(task);
    if (called == nullptr) continue;
    const Node* node = definition::at_pointer(root, std::string_view(task.reference).substr(task.text_at));
    const auto place = [&](std::string_view property) {
      const Node* value = node == nullptr ? nullptr : node->find(property);
      return value == nullptr ? task.position : value->position;
    };
    const std::string call = fmt::format("{}.{}:{}@default", called->plugin, called->operation, called->version);
    const KnownOperation* operation = find_operation(known, call);
    if (operation == nullptr) {
      problems.warn_unknown(place("call"),
                            fmt::format("task '{}' calls {}, which is not an operation of {}", task.name, call, of),
                            call, names);
      continue;
    }
    if (!called->input.is_constant()) continue;
    const std::string refusal = schemas.refusal_of(*operation, called->input.constant_value());
    if (!refusal.empty()) {
      problems.warn(place("with"), fmt::format("task '{}' calls {} with an input that its schema refuses: {}",
                                               task.name, call, refusal));
    }
  }
}

}  // namespace trv::cli
