// The compiler's part for what is written once and compiled where it is used: use.functions, use.catalogs and
// use.extensions. Neither leaves anything to the interpreter but a `do`: see DoTask.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "kernel/workflow/definition/compiler.hpp"
#include "sdk/base/contract.hpp"

namespace trv::definition {
namespace {

constexpr std::string_view extended_kinds[] = {"all",   "call", "composite", "emit",   "for", "fork", "listen",
                                               "raise", "run",  "set",       "switch", "try", "wait"};
constexpr std::string_view protocols[] = {"http", "openapi", "grpc", "asyncapi", "a2a", "mcp"};

/// Of functions that call functions, and of extensions of one task: both nest the compiler's calls.
constexpr std::size_t functions_deep_max = 16;
constexpr std::size_t extensions_max = 16;
/// A copied task counts as one node more for so many bytes of its reference.
constexpr std::size_t reference_bytes_per_node = 200;

/// And for so many bytes of its text.
constexpr std::size_t text_bytes_per_node = 32;

std::size_t nodes_of(const Node& node) {
  std::size_t count = 1 + node.text.size() / text_bytes_per_node;
  for (const Node& item : node.items) count += nodes_of(item);
  for (const Entry& entry : node.entries) count += nodes_of(entry.value);
  return count;
}

std::vector<std::string_view> names_of(const Node* mapping) {
  std::vector<std::string_view> names;
  if (mapping == nullptr) return names;
  for (const Entry& entry : mapping->entries) names.push_back(entry.key);
  return names;
}

/// What a text of its own does not see: variables, functions and extensions around the place where it is used.
template <typename T>
class Instead {
 public:
  Instead(T& variable, T value) : variable_(variable), before_(std::exchange(variable, std::move(value))) {}
  ~Instead() { variable_ = std::move(before_); }
  Instead(const Instead&) = delete;
  Instead& operator=(const Instead&) = delete;

 private:
  T& variable_;
  T before_;
};

}  // namespace

std::vector<std::string_view> Compiler::function_names() const {
  return names_of(functions_);
}
std::vector<std::string_view> Compiler::catalog_names() const {
  return names_of(catalogs_);
}
const Node* Compiler::catalog(std::string_view name) const {
  return catalogs_ == nullptr ? nullptr : catalogs_->find(name);
}

std::optional<Compiler::Catalog> Compiler::endpoint_of(std::string_view name) {
  const Node* found = catalog(name);
  TRV_EXPECTS(found != nullptr);
  const std::size_t before = problems_.reported();
  const std::string what = fmt::format("the catalog '{}'", name);
  const Resource resource = compile_resource(*this, *found, what);
  if (problems_.reported() != before) return std::nullopt;
  Catalog out;
  const std::optional<std::string> address = resource.address.constant();
  if (!address) {
    problems_.add(found->position,
                  fmt::format("'endpoint' of {} has an expression or a part in braces; write the whole "
                              "address, since its functions are fetched when the workflow is applied",
                              what));
    return std::nullopt;
  }
  out.endpoint = *address;
  if (!resource.authentication) return out;
  const CallAuthentication& authentication = *resource.authentication;
  out.authentication = {{"scheme", authentication.scheme}};
  if (!authentication.connection.empty()) {
    out.authentication.set("use", json::Value(authentication.connection));
  } else if (!authentication.parameters.is_constant()) {
    problems_.add(found->position,
                  fmt::format("'authentication' of {} has an expression, and nothing is evaluated when "
                              "a workflow is applied; write 'use: <connection>'",
                              what));
    return std::nullopt;
  } else {
    for (const json::Entry& property : authentication.parameters.constant_value().entries()) {
      out.authentication.set(property.key, property.value);
    }
  }
  return out;
}

void Compiler::fetch_later(UnfetchedFunction function) {
  function.caller = calling_.empty() ? "" : std::string(calling_.back());
  const std::string from = function.address == function.name ? "" : " from " + function.address;
  if (absent_ == Absent::refused) {
    problems_.add(function.position,
                  fmt::format("the function '{}' is not in 'use.functions'; where the workflow is applied to a server "
                              "it is fetched{}, and here nothing is fetched",
                              function.name, from));
    return;
  }
  if (std::ranges::find(unfetched_, function.name, &UnfetchedFunction::name) != unfetched_.end()) return;
  problems_.warn(function.position,
                 fmt::format("the function '{}' is not checked: it is fetched{} when the workflow is applied, and a "
                             "check uses no network",
                             function.name, from));
  unfetched_.push_back(std::move(function));
}

bool Compiler::take_copy(const Node& node, const Position& at) {
  // Once there are too many, no more are counted: that would take its time, too.
  if (copied_nodes_ <= nodes_max) copied_nodes_ += nodes_of(node);
  if (copied_nodes_ <= nodes_max) return true;
  problems_.add(at,
                fmt::format("what 'use' has is compiled wherever it is used, and this makes more than {} parts; use "
                            "it in fewer places, write it shorter, or run a workflow instead",
                            nodes_max));
  return false;
}

TaskIndex Compiler::add_task(const NewTask& from) {
  const auto index = static_cast<TaskIndex>(definition_.tasks.size());
  Task& task = definition_.tasks.emplace_back();
  task.name = from.name;
  task.position = from.position;
  task.parent = from.parent;
  task.in_catch = from.in_catch;
  task.reference = from.reference;
  task.text_at = from.text_at;
  if (from.text_at > 0) copied_nodes_ += 1 + from.reference.size() / reference_bytes_per_node;
  return index;
}

TaskIndex Compiler::fetched(const TaskScope& scope, const Position& source, HttpCall call, ProcessTask script) {
  TRV_EXPECTS(script.is_fetched);
  const std::string reference = scope.reference + "/run/script";
  const TaskIndex first = add_task({"source", source, scope.index, false, reference + "/source", text_at_});
  const TaskIndex then = add_task({"script", source, scope.index, false, reference, text_at_});
  auto given = expression::compile("{code: ., data: $input}", {{"input"}});
  TRV_ASSERT(given.has_value());
  definition_.tasks[first].output_as =
      Template::from(Expression(*std::move(given), {VariableReference{.variable = Variable::input}}, false));
  definition_.tasks[first].body = std::move(call);
  definition_.tasks[first].next = then;
  definition_.tasks[then].body = std::move(script);
  return first;
}

TaskIndex Compiler::declare_task(const Entry& entry, TaskIndex parent, const std::string& reference, bool in_catch,
                                 std::size_t extension, TaskIndex flow_of) {
  const std::string_view kind = kind_in(entry.value);
  while (extending_ == no_task && extension < extensions_.size()) {
    const std::string& extended = extensions_[extension].kind;
    if (!kind.empty() && (extended == "all" || extended == kind || (extended == "composite" && kind == "do"))) {
      return extend(entry, parent, reference, in_catch, extension, flow_of);
    }
    ++extension;
  }
  const TaskIndex index = add_task({entry.key, entry.position, parent, in_catch, reference, text_at_});
  if (copied_nodes_ > nodes_max) {
    // Says so; what is compiled from here on is of no use.
    static_cast<void>(take_copy(entry.value, entry.position));
    return index;
  }
  task(entry.value, entry, index, reference, flow_of == no_task ? index : flow_of);
  return index;
}

TaskIndex Compiler::extend(const Entry& entry, TaskIndex parent, const std::string& reference, bool in_catch,
                           std::size_t extension, TaskIndex flow_of) {
  const Extension& own = extensions_[extension];
  const TaskIndex index =
      add_task({entry.key, own.position, parent, in_catch, reference + own.reference, reference.size()});
  extensions_[extension].is_used = true;
  DoTask body = extension_body(index, own, reference);
  const std::vector<TaskIndex> before = std::exchange(before_, {});
  // The extension takes the task's place in the list, so the task's `then` is its own.
  body.extended = declare_task(entry, index, reference, false, extension + 1, flow_of == no_task ? index : flow_of);
  body.first = before.empty() ? body.extended : before.front();
  if (!before.empty()) definition_.tasks[before.back()].next = body.extended;
  definition_.tasks[body.extended].next = extension_after(index, own, reference);
  // A task that is skipped is skipped with its extensions.
  definition_.tasks[index].condition = std::move(definition_.tasks[body.extended].condition);
  definition_.tasks[body.extended].condition.reset();
  definition_.tasks[index].body = std::move(body);
  return index;
}

DoTask Compiler::extension_body(TaskIndex index, const Extension& extension, const std::string& reference) {
  DoTask body;
  before_.clear();
  const Instead<TaskIndex> within(extending_, index);
  const Instead<std::vector<Local>> no_locals(locals_, {});
  const Instead<std::size_t> text_at(text_at_, reference.size());
  body.when = expression(extension.when, Site::task_input);
  if (extension.before == nullptr || !take_copy(*extension.before, extension.position)) return body;
  const std::size_t flows_before = pending_.size();
  std::vector<TaskIndex> before = children(extension.before, index, reference + extension.reference + "/before", false);
  for (std::size_t i = 1; i < before.size(); ++i) definition_.tasks[before[i - 1]].next = before[i];
  resolve_flows(flows_before, before, extension.before);
  before_ = std::move(before);
  return body;
}

TaskIndex Compiler::extension_after(TaskIndex index, const Extension& extension, const std::string& reference) {
  if (extension.after == nullptr || !take_copy(*extension.after, extension.position)) return no_task;
  const Instead<TaskIndex> within(extending_, index);
  const Instead<std::vector<Local>> no_locals(locals_, {});
  const Instead<std::size_t> text_at(text_at_, reference.size());
  const std::string list_reference = reference + extension.reference + "/after";
  const TaskIndex after = add_task({"after", extension.after->position, index, false, list_reference, text_at_});
  // The task's output goes by what comes after it.
  auto given = expression::compile("$input", {{"input"}});
  TRV_ASSERT(given.has_value());
  definition_.tasks[after].output_as =
      Template::from(Expression(*std::move(given), {VariableReference{.variable = Variable::input}}, false));
  const TaskIndex first = list(extension.after, after, list_reference);
  definition_.tasks[after].body = DoTask{.first = first};
  return after;
}

void Compiler::use_extensions(const Node* found) {
  if (found == nullptr) return;
  if (found->items.size() > extensions_max) {
    problems_.add(found->position, fmt::format("a workflow can have at most {} extensions", extensions_max));
    return;
  }
  for (std::size_t i = 0; i < found->items.size(); ++i) {
    const Node& item = found->items[i];
    if (!item.is_mapping() || item.entries.size() != 1) {
      problems_.add(item.position,
                    "each item of 'use.extensions' must be a mapping of exactly one name to its extension");
      continue;
    }
    const Entry& entry = item.entries.front();
    Fields fields(problems_, entry.value, fmt::format("the extension '{}'", entry.key));
    Extension extension{.name = entry.key,
                        .reference = fmt::format("/use/extensions/{}/{}", i, pointer_part(entry.key)),
                        .position = entry.position};
    if (const Node* kind = fields.require("extend", Node::Kind::string)) {
      extension.kind = kind->text;
      if (std::ranges::find(extended_kinds, kind->text) == std::end(extended_kinds)) {
        const std::string_view meant =
            problems_.suggest(kind->text, {std::begin(extended_kinds), std::end(extended_kinds)});
        problems_.add(kind->position,
                      fmt::format("'extend' of {} is the kind of task that it extends, and '{}' is not one; {}",
                                  fields.what(), kind->text,
                                  meant.empty() ? fmt::format("write one of {}", fmt::join(extended_kinds, ", "))
                                                : fmt::format("did you mean '{}'?", meant)));
      }
    }
    extension.when = fields.get("when");
    extension.before = fields.get("before");
    extension.after = fields.get("after");
    fields.finish();
    extensions_.push_back(std::move(extension));
  }
}

std::optional<TaskIndex> Compiler::function(const Node& name, const TaskScope& caller, std::vector<Local> sees) {
  const Node* found = functions_ == nullptr ? nullptr : functions_->find(name.text);
  if (found == nullptr) return std::nullopt;
  const auto entry = std::ranges::find(functions_->entries, name.text, &Entry::key);
  if (std::ranges::find(calling_, name.text) != calling_.end()) {
    problems_.add(name.position, fmt::format("the function '{}' calls itself{}; run a workflow instead, which may",
                                             name.text, calling_.size() > 1 ? " by way of another" : ""));
    return no_task;
  }
  if (calling_.size() >= functions_deep_max) {
    problems_.add(name.position, fmt::format("functions can call functions at most {} deep", functions_deep_max));
    return no_task;
  }
  if (std::ranges::find(called_, entry->key) == called_.end()) called_.push_back(entry->key);
  if (!take_copy(*found, name.position)) return no_task;
  const Instead<std::vector<Local>> own_locals(locals_, std::move(sees));
  const Instead<std::size_t> text_at(text_at_, caller.reference.size());
  calling_.push_back(entry->key);
  const std::size_t flows_before = pending_.size();
  const TaskIndex index = declare_task(
      *entry, caller.index, caller.reference + "/use/functions/" + pointer_part(entry->key), false, 0, no_task);
  resolve_flows(flows_before, {}, nullptr);
  calling_.pop_back();
  return index;
}

void Compiler::check_unused() {
  // What nothing uses yet has its mistakes, too; what it is compiled to is dropped.
  const std::size_t tasks_before = definition_.tasks.size();
  const auto nothing = [&] {
    const auto index = static_cast<TaskIndex>(definition_.tasks.size());
    definition_.tasks.emplace_back().body = DoTask{};
    return index;
  };
  if (functions_ != nullptr) {
    for (const Entry& entry : functions_->entries) {
      if (std::ranges::find(protocols, entry.key) != std::end(protocols)) {
        problems_.add(entry.position,
                      fmt::format("'{}' is a call of the language's own; give the function another name", entry.key));
      }
      if (std::ranges::find(called_, entry.key) != called_.end()) continue;
      Node name;
      name.kind = Node::Kind::string;
      name.position = entry.position;
      name.text = entry.key;
      const std::string task_name;
      const std::string reference;
      (void)function(name, {.index = nothing(), .name = task_name, .reference = reference, .connection = {}});
    }
  }
  for (std::size_t i = 0; i < extensions_.size(); ++i) {
    if (extensions_[i].is_used) continue;
    const Extension unused = extensions_[i];
    const TaskIndex index = nothing();
    (void)extension_body(index, unused, "");
    (void)extension_after(index, unused, "");
  }
  if (catalogs_ != nullptr) {
    for (const Entry& entry : catalogs_->entries) {
      (void)endpoint_of(entry.key);
    }
  }
  before_.clear();
  definition_.tasks.resize(tasks_before);
}

}  // namespace trv::definition
