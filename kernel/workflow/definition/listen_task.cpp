#include <fmt/format.h>

#include "kernel/workflow/definition/compiler.hpp"

namespace trv::definition {
namespace {

void compile_filter(Compiler& compiler, const Node& node, bool ends, ListenTask& task) {
  Problems& problems = compiler.problems();
  Fields fields(problems, node, "an event filter of 'listen'");
  const Node* with = fields.require("with", Node::Kind::mapping);
  const Node* correlate = fields.get("correlate", Node::Kind::mapping);
  fields.finish();
  auto event = compile_event_filter(compiler, with);
  if (!event) return;
  ListenFilter& filter = task.filters.emplace_back();
  filter.event = *std::move(event);
  filter.ends = ends;
  if (correlate == nullptr) return;
  for (const Entry& entry : correlate->entries) {
    Fields parts(problems, entry.value, fmt::format("'{}' of 'correlate'", entry.key));
    auto from = compiler.expression(parts.require("from", Node::Kind::string), Site::event_filter);
    auto expect = compiler.optional_value(parts.get("expect"), Site::body);
    parts.finish();
    if (from) filter.correlations.push_back({entry.key, *std::move(from), std::move(expect)});
  }
}

void compile_filters(Compiler& compiler, const Node& list, bool ends, ListenTask& task) {
  for (const Node& item : list.items) compile_filter(compiler, item, ends, task);
}

void compile_until(Compiler& compiler, const Node& node, ListenTask& task) {
  task.goes_on = true;
  if (node.is_string()) {
    task.until = compiler.expression(&node, Site::event_filter);
    return;
  }
  const std::size_t before = compiler.problems().reported();
  Fields fields(compiler.problems(), node, "'until' of 'listen.to'");
  const Node* one = fields.get("one");
  const Node* any = fields.get("any", Node::Kind::sequence);
  const Node* all = fields.get("all", Node::Kind::sequence);
  fields.finish();
  if (compiler.problems().reported() == before && (one != nullptr) + (any != nullptr) + (all != nullptr) != 1) {
    compiler.problems().add(node.position,
                            "'until' must be an expression, or have exactly one of 'one', 'any' and 'all'");
  }
  if (one != nullptr) compile_filter(compiler, *one, true, task);
  if (any != nullptr) compile_filters(compiler, *any, true, task);
  if (all == nullptr) return;
  task.until_all = true;
  if (all->items.empty()) compiler.problems().add(all->position, "'all' needs at least one event filter");
  compile_filters(compiler, *all, true, task);
}

}  // namespace

TaskBody compile_listen(Compiler& compiler, Fields& fields, const TaskScope&) {
  using Strategy = ListenTask::Strategy;
  ListenTask task;
  Problems& problems = fields.problems();
  fields.unsupported("foreach");
  const Node* node = fields.require("listen");
  if (node == nullptr) return task;
  Fields parts(problems, *node, fmt::format("'listen' of {}", fields.what()));
  bool misplaced = false;
  for (const std::string_view name : {"one", "any", "all", "until"}) {
    misplaced = parts.belongs(name, "in 'to'") != nullptr || misplaced;
  }
  const Node* to = misplaced ? parts.get("to") : parts.require("to");
  if (const Node* read = parts.get("read", Node::Kind::string)) {
    if (read->text == "envelope") task.read = ReadAs::envelope;
    if (read->text == "raw") task.read = ReadAs::raw;
    if (task.read == ReadAs::data && read->text != "data") {
      problems.add(read->position, fmt::format("'read' is data, envelope or raw, not '{}'", read->text));
    }
  }
  for (const std::string_view name : {"timeout", "foreach", "output", "export"}) {
    (void)parts.belongs(name, "beside 'listen'");
  }
  parts.finish();
  if (to == nullptr) return task;
  const std::size_t before = problems.reported();
  Fields strategy(problems, *to, fmt::format("'listen.to' of {}", fields.what()));
  const Node* one = strategy.get("one");
  const Node* any = strategy.get("any", Node::Kind::sequence);
  const Node* all = strategy.get("all", Node::Kind::sequence);
  const Node* until = strategy.get("until");
  strategy.finish();
  if ((one != nullptr) + (any != nullptr) + (all != nullptr) != 1) {
    if (problems.reported() == before) {
      problems.add(to->position, "'listen.to' must have exactly one of 'one', 'any' and 'all'");
    }
    return task;
  }
  if (until != nullptr && any == nullptr) problems.add(until->position, "'until' goes with 'any' only");
  if (one != nullptr) compile_filter(compiler, *one, false, task);
  if (any != nullptr) {
    task.strategy = Strategy::any;
    compile_filters(compiler, *any, false, task);
    // Without a filter every event is meant.
    if (any->items.empty()) task.filters.emplace_back();
    if (until != nullptr) compile_until(compiler, *until, task);
  }
  if (all != nullptr) {
    task.strategy = Strategy::all;
    if (all->items.empty()) problems.add(all->position, "'all' needs at least one event filter");
    compile_filters(compiler, *all, false, task);
  }
  if (task.filters.size() > listen_filters_max) {
    problems.add(to->position, fmt::format("a task listens with at most {} filters", listen_filters_max));
  }
  return task;
}

}  // namespace trv::definition
