// The compiler's part for names in addresses that nothing gives a value.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

using Names = std::vector<std::string_view>;

Names keys_of(const Node& mapping) {
  Names names;
  for (const Entry& entry : mapping.entries) names.push_back(entry.key);
  return names;
}

/// What `from` of an `input` gives; nullopt where that is not known.
std::optional<Names> names_from(const Node* input) {
  const Node* from = input == nullptr ? nullptr : input->find("from");
  if (from == nullptr || !from->is_mapping()) return std::nullopt;
  return keys_of(*from);
}

/// What a `set` that always runs, and before the next task, gives.
std::optional<Names> names_set(const Node& task) {
  const Node* set = task.find("set");
  if (set == nullptr || !set->is_mapping() || task.find("output") != nullptr || task.find("if") != nullptr) {
    return std::nullopt;
  }
  return keys_of(*set);
}

/// What a workflow is started with; known where its schema allows no other properties.
std::optional<Names> names_started_with(const Node* input) {
  if (input == nullptr) return std::nullopt;
  if (input->find("from") != nullptr) return names_from(input);
  const Node* schema = input->find("schema");
  const Node* document = schema == nullptr ? nullptr : schema->find("document");
  if (document == nullptr || !document->is_mapping()) return std::nullopt;
  const Node* others = document->find("additionalProperties");
  const Node* properties = document->find("properties");
  const bool is_closed = others != nullptr && others->kind == Node::Kind::boolean && !others->boolean &&
                         document->find("patternProperties") == nullptr && properties != nullptr;
  if (!is_closed) return std::nullopt;
  return keys_of(*properties);
}

/// The text of an address in the text.
const Node* address_of(const Node& task) {
  const Node* with = task.find("with");
  const Node* endpoint = with == nullptr ? nullptr : with->find("endpoint");
  if (endpoint != nullptr && endpoint->is_mapping()) endpoint = endpoint->find("uri");
  return endpoint != nullptr && endpoint->is_string() ? endpoint : nullptr;
}

}  // namespace

void Compiler::warn_of_missing_names(const std::vector<TaskIndex>& siblings, const Node& list) {
  TRV_EXPECTS(siblings.size() == list.items.size());
  std::set<TaskIndex> targets;
  const auto add_target = [&](const Flow& flow) {
    if (flow.kind == Flow::Kind::jump) targets.insert(flow.target);
  };
  for (const TaskIndex sibling : siblings) {
    const Task& task = definition_.tasks[sibling];
    add_target(task.then);
    if (const auto* guard = std::get_if<TryTask>(&task.body)) add_target(guard->caught_then);
    if (const auto* cases = std::get_if<SwitchTask>(&task.body)) {
      for (const SwitchCase& one : cases->cases) add_target(one.then);
    }
  }
  for (std::size_t i = 0; i < siblings.size(); ++i) {
    const Task& task = definition_.tasks[siblings[i]];
    const auto* call = std::get_if<HttpCall>(&task.body);  // one that is extended has an input of its own
    const Node& text = list.items[i].entries.front().value;
    const Node* address = address_of(text);
    if (call == nullptr || call->operation || address == nullptr) continue;
    std::optional<Names> given;
    const Node* input = text.find("input");
    if (input != nullptr && input->find("from") != nullptr) {
      given = names_from(input);
    } else if (targets.contains(siblings[i])) {
      continue;
    } else if (i > 0) {
      const Task& previous = definition_.tasks[siblings[i - 1]];
      const bool is_plain = std::holds_alternative<SetTask>(previous.body) && previous.then.kind == Flow::Kind::next;
      if (is_plain) given = names_set(list.items[i - 1].entries.front().value);
    } else if (task.parent == no_task) {
      given = names_started_with(root_.find("input"));
    }
    if (!given) continue;
    std::size_t offset = 0;
    for (const Endpoint::Part& part : call->endpoint.parts) {
      const std::size_t begin = offset;
      offset += part.text.size() + (part.name ? 2 : 0);
      if (!part.name || std::ranges::find(*given, part.text) != given->end()) continue;
      const std::string_view meant = problems_.suggest(part.text, *given);
      problems_.warn(
          within(*address, begin),
          fmt::format("'{{{}}}' in the address of task '{}' is given nowhere: its input {}{}", part.text, task.name,
                      given->empty() ? "is empty" : fmt::format("has only {}", fmt::join(*given, ", ")),
                      meant.empty() ? "; without a value it is left out of the address"
                                    : fmt::format("; did you mean '{{{}}}'?", meant)),
          {.expected = fmt::format("{}", fmt::join(*given, ", ")),
           .suggestion = std::string(meant),
           .length = static_cast<int>(part.text.size()) + 2});
    }
  }
}

}  // namespace trv::definition
