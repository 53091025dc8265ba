// `schedule`: which events start an instance.

#include <fmt/format.h>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {
namespace {

constexpr std::string_view regex_characters = "^$*+?()[]{}|\\";

AttributeFilter compile_attribute(Compiler& compiler, const Entry& entry) {
  AttributeFilter filter;
  filter.name = entry.key;
  const Node& node = entry.value;
  if (node.is_string() && node.text.find("${") != std::string::npos) {
    filter.expression = compiler.expression(&node, Site::event_filter);
    return filter;
  }
  const Template value = compiler.value(node, Site::event_filter);
  if (!value.is_constant()) {
    compiler.problems().unsupported(node.position, fmt::format("an expression within the filter '{}'", entry.key));
    return filter;
  }
  filter.literal = value.constant_value();
  if (!node.is_string() || node.text.find_first_of(regex_characters) == std::string::npos) return filter;
  Node test = node;
  test.text = "type == \"string\" and test(";
  json::append_string(test.text, "^(?:" + node.text + ")$");
  test.text += ")";
  filter.expression = compiler.expression(&test, Site::event_filter);
  return filter;
}

void compile_event(Compiler& compiler, const Node& node, std::vector<EventFilter>& starts) {
  Fields fields(compiler.problems(), node, "an event filter of 'schedule.on'");
  fields.unsupported("correlate");
  const Node* with = fields.require("with", Node::Kind::mapping);
  fields.finish();
  if (with == nullptr) return;
  if (with->entries.empty()) {
    compiler.problems().add(with->position, "'with' of an event filter needs at least one attribute, for example type");
  }
  EventFilter& filter = starts.emplace_back();
  for (const Entry& entry : with->entries) {
    AttributeFilter attribute = compile_attribute(compiler, entry);
    if (entry.key == "type" && attribute.literal && !attribute.expression && attribute.literal->is_string()) {
      filter.type = attribute.literal->as_string();
      if (filter.type.size() > event_type_bytes_max) {
        compiler.problems().add(entry.value.position,
                                fmt::format("an event's type has at most {} bytes", event_type_bytes_max));
      }
    }
    filter.attributes.push_back(std::move(attribute));
  }
}

}  // namespace

void Compiler::schedule(Fields& root) {
  const Node* node = root.get("schedule");
  if (node == nullptr) return;
  Fields fields(problems_, *node, "'schedule'");
  for (const std::string_view name : {"every", "cron", "after", "read"}) fields.unsupported(name);
  const Node* on = fields.get("on");
  fields.finish();
  if (on == nullptr) return;
  Fields strategy(problems_, *on, "'schedule.on'");
  strategy.unsupported("all");
  strategy.unsupported("until");
  const Node* one = strategy.get("one");
  const Node* any = strategy.get("any", Node::Kind::sequence);
  strategy.finish();
  if (one != nullptr) compile_event(*this, *one, definition_.starts);
  if (any != nullptr) {
    if (any->items.empty()) problems_.unsupported(any->position, "'any' without a filter");
    for (const Node& item : any->items) compile_event(*this, item, definition_.starts);
  }
  if ((one == nullptr) == (any == nullptr)) {
    problems_.add(on->position, "'schedule.on' must have exactly one of 'one' and 'any'");
  }
}

namespace {

/// Filters see nothing but the attribute.
class NoVariables final : public VariableSource {
 public:
  json::Value variable(const VariableReference&) override { return {}; }
};

}  // namespace

base::Result<bool> EventFilter::matches(const json::Value& event, base::Timestamp now) const {
  NoVariables none;
  for (const AttributeFilter& attribute : attributes) {
    const json::Value* found = event.find(std::string_view(attribute.name));
    if (found == nullptr) return false;
    if (attribute.literal && *found == *attribute.literal) continue;
    if (!attribute.expression) return false;
    const auto result = attribute.expression->evaluate(*found, none, now);
    if (!result) return base::fail(base::Error(result.error()).in(fmt::format("the filter of '{}'", attribute.name)));
    if (!result->is_truthy()) return false;
  }
  return true;
}

}  // namespace trv::definition
