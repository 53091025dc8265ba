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
  auto event = compile_event_filter(compiler, with, Site::listen);
  if (!event) return;
  ListenFilter& filter = task.filters.emplace_back();
  filter.event = *std::move(event);
  filter.ends = ends;
  if (correlate == nullptr) return;
  for (const Entry& entry : correlate->entries) {
    Fields parts(problems, entry.value, fmt::format("'{}' of 'correlate'", entry.key));
    auto from = compiler.expression(parts.require("from", Node::Kind::string), Site::listen);
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
    task.until = compiler.expression(&node, Site::listen);
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

ForEachEvent compile_foreach(Compiler& compiler, const Node& node, const std::string& of, const TaskScope& scope) {
  ForEachEvent each;
  Problems& problems = compiler.problems();
  Fields fields(problems, node, fmt::format("'foreach' of {}", of));
  const Node* item = fields.get("item", Node::Kind::string);
  const Node* at = fields.get("at", Node::Kind::string);
  if (item != nullptr) each.item_name = item->text;
  if (at != nullptr) each.index_name = at->text;
  if (each.item_name == each.index_name) {
    problems.add(node.position, fmt::format("'item' and 'at' of {} must have different names", fields.what()));
  }
  compiler.declare(each.item_name, scope.index, 0, item == nullptr ? node.position : item->position);
  compiler.declare(each.index_name, scope.index, 1, at == nullptr ? node.position : at->position);
  if (const Node* tasks = fields.get("do")) {
    each.first = compiler.list(tasks, scope.index, scope.reference + "/foreach/do");
  }
  Schemas schemas;
  if (const Node* output = fields.get("output")) {
    Fields parts(problems, *output, fmt::format("'output' of {}", fields.what()));
    schemas.output = compiler.schema(parts);
    each.output_as = compiler.transformation(parts.get("as"), Site::output_as);
    parts.finish();
  }
  if (const Node* exported = fields.get("export")) {
    Fields parts(problems, *exported, fmt::format("'export' of {}", fields.what()));
    schemas.exported = compiler.schema(parts);
    each.export_as = compiler.transformation(parts.get("as"), Site::export_as);
    parts.finish();
  }
  compiler.leave(2);
  fields.finish();
  if (schemas.output || schemas.exported) each.schemas = std::make_shared<const Schemas>(std::move(schemas));
  return each;
}

}  // namespace

std::optional<ReadAs> compile_read(Fields& fields) {
  const Node* read = fields.get("read", Node::Kind::string);
  if (read == nullptr) return std::nullopt;
  if (read->text == "data") return ReadAs::data;
  if (read->text == "envelope") return ReadAs::envelope;
  if (read->text == "raw") return ReadAs::raw;
  fields.problems().add(read->position, fmt::format("'read' is data, envelope or raw, not '{}'", read->text));
  return std::nullopt;
}

TaskBody compile_listen(Compiler& compiler, Fields& fields, const TaskScope& scope) {
  using Strategy = ListenTask::Strategy;
  ListenTask task;
  Problems& problems = fields.problems();
  if (const Node* each = fields.get("foreach")) task.foreach = compile_foreach(compiler, *each, fields.what(), scope);
  const Node* node = fields.require("listen");
  if (node == nullptr) return task;
  Fields parts(problems, *node, fmt::format("'listen' of {}", fields.what()));
  bool misplaced = false;
  for (const std::string_view name : {"one", "any", "all", "until"}) {
    misplaced = parts.belongs(name, "in 'to'") != nullptr || misplaced;
  }
  const Node* to = misplaced ? parts.get("to") : parts.require("to");
  task.read = compile_read(parts).value_or(ReadAs::data);
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
