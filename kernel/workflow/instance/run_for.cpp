#include <fmt/format.h>

#include "kernel/workflow/instance/execution.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

void Execution::run(TaskIndex index, const definition::ForTask& task, const Value& input) {
  const std::int64_t now_ns = context_.now.ns();
  Attempt<Value> items = evaluation_.evaluate(task.in, input);
  if (!items) return raise(index, std::move(items).error().error, now_ns, 0);
  if (!items->is_array()) {
    return raise(index,
                 make_error(StandardError::expression, definition_.task(index).reference,
                            fmt::format("'for.in' must give an array, not {}", json::to_string(items->kind()))),
                 now_ns, 0);
  }
  if (const Attempt<std::string> checked = evaluation_.checked_json(*items, "'for.in'"); !checked) {
    return raise(index, checked.error().error, now_ns, 0);
  }
  if (items->size() == 0) return complete(index, input, input, {}, now_ns, 0);
  Frame frame{.task = index,
              .started_ns = now_ns,
              .has_input = definition_.task(index).needs_input(),
              .items_count = static_cast<std::uint32_t>(items->size())};
  if (frame.has_input) frame.input = input;
  frame.items = *std::move(items);
  push(std::move(frame));
  set_data(input);
  // The place before the first item; next_iteration steps onto it.
  at_->frames.back().index = 0xFFFF'FFFF;
  next_iteration();
}

void Execution::next_iteration() {
  Frame& frame = change_top();
  TRV_EXPECTS(frame.items_count > 0);
  const TaskIndex index = frame.task;
  const auto& task = std::get<definition::ForTask>(definition_.task(index).body);
  const std::int64_t started_ns = frame.started_ns;
  ++frame.index;
  TRV_ASSERT(frame.index <= frame.items_count);
  bool more = frame.index < frame.items_count;
  if (more && task.while_) {
    // The input may be large, and most loops do without it here.
    const Value* kept = evaluation_.input_of(frame);
    const Value input = kept == nullptr ? at_->data : *kept;
    const Evaluation::Within within(evaluation_,
                                    {.task = index, .started_ns = started_ns, .raw_input = &input, .input = &input});
    const Attempt<Value> truth = evaluation_.evaluate(*task.while_, at_->data);
    if (!truth) {
      pop();
      return raise(index, truth.error().error, started_ns, 0);
    }
    more = truth->is_truthy();
  }
  if (more) {
    at_->next = task.first;
    return;
  }
  const Value output = at_->data;
  leave_top([&](const Frame&, const Value& input) { complete(index, output, input, {}, started_ns, 0); });
}

}  // namespace trv::instance
