// `schedule`: which events start an instance.

#include <fmt/format.h>

#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {
namespace {

void compile_event(Compiler& compiler, const Node& node, std::vector<EventFilter>& starts) {
  Fields fields(compiler.problems(), node, "an event filter of 'schedule.on'");
  fields.unsupported("correlate");
  const Node* with = fields.require("with", Node::Kind::mapping);
  fields.finish();
  if (auto filter = compile_event_filter(compiler, with)) starts.push_back(*std::move(filter));
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
  const std::size_t before = problems_.reported();
  Fields strategy(problems_, *on, "'schedule.on'");
  strategy.unsupported("all");
  strategy.unsupported("until");
  const Node* one = strategy.get("one");
  const Node* any = strategy.get("any", Node::Kind::sequence);
  strategy.finish();
  if (one != nullptr) compile_event(*this, *one, definition_.starts);
  if (problems_.reported() == before && (one == nullptr) == (any == nullptr)) {
    problems_.add(on->position, "'schedule.on' must have exactly one of 'one' and 'any'");
  }
  if (any != nullptr) {
    if (any->items.empty()) problems_.unsupported(any->position, "'any' without a filter");
    for (const Node& item : any->items) compile_event(*this, item, definition_.starts);
  }
}

}  // namespace trv::definition
