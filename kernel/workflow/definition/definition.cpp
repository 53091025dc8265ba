#include "kernel/workflow/definition/definition.hpp"

#include <algorithm>

#include "sdk/base/contract.hpp"

namespace trv::definition {

using json::Value;

bool ListenFilter::correlates_alone() const noexcept {
  return std::ranges::all_of(correlations, [](const Correlation& one) { return one.from.variables().empty(); });
}

bool ListenFilter::names(Variable variable) const noexcept {
  const auto named = [&](const Expression& one) { return one.names(variable); };
  return std::ranges::any_of(event.attributes,
                             [&](const auto& one) { return one.expression && named(*one.expression); }) ||
         std::ranges::any_of(correlations, [&](const Correlation& one) { return named(one.from); });
}

bool Task::needs_input() const noexcept {
  if (compensation != no_task) return true;
  if (const auto* listens = std::get_if<ListenTask>(&body)) {
    for (const Variable variable : {Variable::input, Variable::task}) {
      if (listens->until && listens->until->names(variable)) return true;
      if (std::ranges::any_of(listens->filters, [&](const ListenFilter& one) { return one.names(variable); }))
        return true;
    }
  }
  for (const std::optional<Template>* part : {&output_as, &export_as}) {
    if (*part && ((*part)->names(Variable::input) || (*part)->names(Variable::task))) return true;
  }
  return false;
}

std::optional<std::string> Endpoint::constant() const {
  if (expression) return std::nullopt;
  std::string out;
  for (const Part& part : parts) {
    if (part.name) return std::nullopt;
    out += part.text;
  }
  return out;
}

std::string_view kind_name(const Task& task) noexcept {
  struct {
    std::string_view operator()(const SetTask&) const { return "set"; }
    std::string_view operator()(const DoTask& task) const {
      return task.compensates != no_task ? compensate_kind : task.is_function ? "call" : task.is_script ? "run" : "do";
    }
    std::string_view operator()(const SwitchTask&) const { return "switch"; }
    std::string_view operator()(const PluginCall&) const { return "call"; }
    std::string_view operator()(const HttpCall&) const { return "call"; }
    std::string_view operator()(const WaitTask&) const { return "wait"; }
    std::string_view operator()(const RaiseTask&) const { return "raise"; }
    std::string_view operator()(const TryTask&) const { return "try"; }
    std::string_view operator()(const ForTask&) const { return "for"; }
    std::string_view operator()(const ForkTask&) const { return "fork"; }
    std::string_view operator()(const EmitTask&) const { return "emit"; }
    std::string_view operator()(const ListenTask&) const { return "listen"; }
    std::string_view operator()(const RunTask&) const { return "run"; }
    std::string_view operator()(const ProcessTask&) const { return "run"; }
  } name;
  return std::visit(name, task.body);
}

const Task& Definition::task(TaskIndex index) const {
  TRV_EXPECTS(index < tasks.size());
  return tasks[index];
}

bool Definition::is_retried(TaskIndex index) const {
  for (TaskIndex inner = index; inner != no_task; inner = task(inner).parent) {
    const TaskIndex outer = task(inner).parent;
    if (outer == no_task || task(inner).in_catch) continue;
    const auto* caught = std::get_if<TryTask>(&task(outer).body);
    if (caught != nullptr && caught->retry) return true;
  }
  return false;
}

TaskIndex Definition::inner(TaskIndex index) const {
  for (;;) {
    const auto* outer = std::get_if<DoTask>(&task(index).body);
    if (outer == nullptr || outer->extended == no_task) return index;
    index = outer->extended;
  }
}

Value Definition::task_definition(TaskIndex index) const {
  const Value* at = &document;
  std::string_view pointer = std::string_view(task(index).reference).substr(task(index).text_at);
  while (!pointer.empty() && at != nullptr) {
    TRV_ASSERT(pointer.front() == '/');
    pointer.remove_prefix(1);
    const std::size_t end = std::min(pointer.find('/'), pointer.size());
    std::string part;
    for (std::size_t i = 0; i < end; ++i) {
      if (pointer[i] == '~' && i + 1 < end) {
        part.push_back(pointer[++i] == '0' ? '~' : '/');
      } else {
        part.push_back(pointer[i]);
      }
    }
    pointer.remove_prefix(end);
    if (at->is_array()) {
      const std::size_t item = std::stoul(part);
      at = item < at->size() ? &at->at(item) : nullptr;
    } else {
      at = at->find(std::string_view(part));
    }
  }
  return at == nullptr ? Value() : *at;
}

}  // namespace trv::definition
