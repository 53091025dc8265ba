// Event filters: which events start an instance, or are what a task listens for.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {
namespace {

constexpr std::string_view regex_characters = "^$*+?()[]{}|\\";

AttributeFilter compile_attribute(Compiler& compiler, const Entry& entry, Site site) {
  AttributeFilter filter;
  filter.name = entry.key;
  const Node& node = entry.value;
  if (node.is_string() && node.text.find("${") != std::string::npos) {
    filter.expression = compiler.expression(&node, site);
    return filter;
  }
  const Template value = compiler.value(node, site);
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

}  // namespace

std::optional<EventFilter> compile_event_filter(Compiler& compiler, const Node* with, Site site) {
  if (with == nullptr) return std::nullopt;
  if (with->entries.empty()) {
    compiler.problems().add(with->position, "'with' of an event filter needs at least one attribute, for example type");
  }
  static constexpr std::string_view texts[] = {"id",   "source",          "type",      "subject",
                                               "time", "datacontenttype", "dataschema"};
  static const std::vector<std::string_view> known = {"id",   "source",          "type",       "subject", "specversion",
                                                      "time", "datacontenttype", "dataschema", "data"};
  EventFilter filter;
  for (const Entry& entry : with->entries) {
    Problems& problems = compiler.problems();
    if (std::ranges::find(texts, entry.key) != std::end(texts) && !entry.value.is_string()) {
      problems.add(entry.value.position,
                   fmt::format("'{}' of an event must be a string, not {}", entry.key, describe(entry.value.kind)),
                   {.expected = "a string"});
      continue;
    }
    const bool is_known = std::ranges::find(known, entry.key) != known.end();
    if (const auto meant = is_known ? std::string_view() : problems.suggest(entry.key, known); !meant.empty()) {
      problems.warn(entry.position,
                    fmt::format("an event has no attribute '{}' unless its sender adds one; did you mean '{}'?",
                                entry.key, meant),
                    {.suggestion = std::string(meant)});
    }
    AttributeFilter attribute = compile_attribute(compiler, entry, site);
    if (entry.key == "type" && attribute.literal && !attribute.expression && attribute.literal->is_string()) {
      filter.type = attribute.literal->as_string();
      if (filter.type.size() > event_type_bytes_max) {
        compiler.problems().add(entry.value.position,
                                fmt::format("an event's type has at most {} bytes", event_type_bytes_max));
      }
    }
    filter.attributes.push_back(std::move(attribute));
  }
  return filter;
}

namespace {

/// Without an instance there is nothing but the attribute.
class NoVariables final : public VariableSource {
 public:
  json::Value variable(const VariableReference&) override { return {}; }
};

}  // namespace

base::Result<json::Value> Correlation::value_in(const json::Value& event, base::Timestamp now) const {
  NoVariables none;
  return from.evaluate(event, none, now);
}

base::Result<bool> StartsUntil::holds(const json::Value& events, base::Timestamp now) const {
  if (!condition) return false;
  NoVariables none;
  TRV_TRY_ASSIGN(const json::Value value, condition->evaluate(events, none, now));
  return value.is_truthy();
}

bool AttributeFilter::agrees(const json::Value& found, const json::Value& result) const {
  // What gives the text that an attribute is to have is not a condition.
  if (result.is_string() && found.is_string() && name != "data") return result == found;
  return result.is_truthy();
}

base::Result<bool> EventFilter::matches(const json::Value& event, base::Timestamp now) const {
  NoVariables none;
  for (const AttributeFilter& attribute : attributes) {
    const json::Value* found = event.find(std::string_view(attribute.name));
    if (found == nullptr) return false;
    if (attribute.is_of_instance()) continue;
    if (attribute.literal && *found == *attribute.literal) continue;
    if (!attribute.expression) return false;
    const auto result = attribute.expression->evaluate(*found, none, now);
    if (!result) return base::fail(base::Error(result.error()).in(fmt::format("the filter of '{}'", attribute.name)));
    if (!attribute.agrees(*found, *result)) return false;
  }
  return true;
}

}  // namespace trv::definition
