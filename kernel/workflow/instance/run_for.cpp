#include <fmt/format.h>

#include "kernel/workflow/instance/execution.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

void Execution::run(TaskIndex index, const definition::ForTask& task, const Value& input) {
  const std::int64_t now_ns = context_.now.ns();
  Attempt<Value> items = evaluate(task.in, input);
  if (!items) return raise(index, std::move(items).error().error, now_ns, 0);
  if (!items->is_array()) {
    return raise(index,
                 make_error(StandardError::expression, definition_.task(index).reference,
                            fmt::format("'for.in' must give an array, not {}", json::to_string(items->kind()))),
                 now_ns, 0);
  }
  if (const Attempt<std::string> checked = checked_json(*items, "'for.in'"); !checked) {
    return raise(index, checked.error().error, now_ns, 0);
  }
  Frame frame{.task = index, .started_ns = now_ns, .items = *std::move(items)};
  if (definition_.task(index).needs_input()) frame.input = input;
  push(std::move(frame));
  set_data(input);
  // The place before the first item; next_iteration steps onto it.
  state_.frames.back().index = 0xFFFF'FFFF;
  next_iteration();
}

void Execution::next_iteration() {
  Frame& frame = change_top();
  TRV_EXPECTS(frame.items.has_value());
  const TaskIndex index = frame.task;
  const auto& task = std::get<definition::ForTask>(definition_.task(index).body);
  const std::int64_t started_ns = frame.started_ns;
  ++frame.index;
  TRV_ASSERT(frame.index <= frame.items->size());
  bool more = frame.index < frame.items->size();
  const Value input = frame.input ? *frame.input : state_.data;
  scope_ = {.task = index, .started_ns = started_ns, .raw_input = &input, .input = &input};
  if (more && task.while_) {
    Attempt<Value> truth = evaluate(*task.while_, state_.data);
    if (!truth) {
      pop();
      raise(index, std::move(truth).error().error, started_ns, 0);
      scope_ = {};
      return;
    }
    more = truth->is_truthy();
  }
  if (more) {
    state_.next = task.first;
  } else {
    pop();
    const Value output = state_.data;
    complete(index, output, input, {}, started_ns, 0);
  }
  scope_ = {};
}

}  // namespace trv::instance
