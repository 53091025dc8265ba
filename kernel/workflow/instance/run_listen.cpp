// `listen`: what a task waits for, the events that it consumes, and when it has heard enough.

#include <fmt/format.h>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "kernel/workflow/instance/listeners.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

using definition::ListenTask;
using json::Value;

namespace {

Value read_as(definition::ReadAs read, const Value& event) {
  if (read == definition::ReadAs::envelope) return event;
  const Value* octets = event.find("data_base64");
  const Value* data = event.find("data");
  if (read == definition::ReadAs::data) return data != nullptr ? *data : octets != nullptr ? *octets : Value();
  if (octets != nullptr) return *octets;
  return Value(base::to_base64(base::as_bytes(data == nullptr ? std::string() : correlation_text(*data))));
}

std::string bound_name(std::size_t filter, const definition::Correlation& correlation) {
  return correlation.expect ? fmt::format("{}/{}", filter, correlation.name) : correlation.name;
}

}  // namespace

void Execution::run(TaskIndex index, const ListenTask& task, const Value& input) {
  const std::int64_t now_ns = context_.now.ns();
  Value bound = Value::object();
  std::vector<Subscription> subscriptions;
  for (std::size_t i = 0; i < task.filters.size(); ++i) {
    const definition::ListenFilter& filter = task.filters[i];
    std::vector<std::string> expected;
    for (const definition::Correlation& correlation : filter.correlations) {
      if (!correlation.expect) continue;
      const Attempt<Value> value = evaluation_.evaluate(*correlation.expect, input);
      if (!value) return raise(index, value.error().error, now_ns, 0);
      if (value->is_null() || value->is_array() || value->is_object()) {
        return raise(index,
                     make_error(StandardError::expression, definition_.task(index).reference,
                                fmt::format("'expect' of '{}' in 'correlate' must be text, a number or a boolean, not "
                                            "{}: no event could agree with it",
                                            correlation.name, json::to_string(value->kind()))),
                     now_ns, 0);
      }
      expected.push_back(correlation_text(*value));
      bound.set(bound_name(i, correlation), Value(expected.back()));
    }
    const bool is_known = expected.size() == filter.correlations.size();
    subscriptions.push_back({.filter = static_cast<std::uint32_t>(i),
                             .type = filter.event.type,
                             .correlation = is_known ? correlation_of(expected) : 0});
  }
  Attempt<std::string> json = evaluation_.checked_json(bound, "what 'correlate' expects");
  if (!json) return raise(index, std::move(json).error().error, now_ns, 0);
  Frame frame{.task = index, .started_ns = now_ns};
  frame.has_input = definition_.task(index).input_from && definition_.task(index).needs_input();
  if (frame.has_input) frame.input = input;
  frame.bound = *std::move(json);
  push(std::move(frame));
  at_->next = no_task;
  const Move moved = move(true);
  emit(writer_.task_listening({index, &definition_.task(index), 0, now_ns}, subscriptions, moved));
}

bool Execution::is_listening(const Branch& branch) const {
  return !branch.frames.empty() && std::holds_alternative<ListenTask>(definition_.task(branch.frames.back().task).body);
}

bool Execution::agrees(const ListenTask& task, std::size_t index, const Value& event, Value& bound) {
  for (const definition::Correlation& correlation : task.filters[index].correlations) {
    const Attempt<Value> value = evaluation_.evaluate(correlation.from, event);
    // What has no such value is another conversation's.
    if (!value || value->is_null()) return false;
    const std::string name = bound_name(index, correlation);
    const Value* expected = bound.find(std::string_view(name));
    if (expected != nullptr && expected->as_string() != correlation_text(*value)) return false;
    if (expected == nullptr) bound.set(name, Value(correlation_text(*value)));
  }
  return true;
}

Value Execution::heard_items() {
  const Frame& frame = at_->frames.back();
  std::vector<Value> items;
  for (std::size_t row = 0; items.size() < frame.items_count; ++row) {
    base::Result<Value> some = instance_data_.loop_items(branch_, at_->frames.size() - 1, row);
    const bool fits = some && some->is_array() && some->size() > 0;
    if (!fits) {
      evaluation_.fail(some
                           ? base::Error(base::ErrorCode::corrupt, "a task lacks what it heard; rebuild the projection")
                           : some.error());
      break;
    }
    for (std::size_t i = 0; i < some->size(); ++i) items.push_back(some->at(i));
  }
  return Value::array(std::move(items));
}

base::Result<bool> Execution::hear(BranchId branch, std::span<const std::uint32_t> filters, const Value& event,
                                   When runs) {
  enter(branch);
  if (evaluation_.failure()) return base::fail(*evaluation_.failure());
  TRV_EXPECTS(state_.status == Status::running);
  if (!is_listening(*at_)) return false;
  const TaskIndex index = at_->frames.back().task;
  const std::int64_t started_ns = at_->frames.back().started_ns;
  const auto& task = std::get<ListenTask>(definition_.task(index).body);
  if (at_->frames.back().is_over || at_->error) return false;
  const Evaluation::Within within(evaluation_, {.task = index, .started_ns = started_ns});
  Value bound = json::parse(at_->frames.back().bound).value_or(Value::object());
  const auto takes = [&](std::uint32_t filter) {
    const bool once = task.strategy == ListenTask::Strategy::all || (task.until_all && task.filters[filter].ends);
    if (once && (at_->frames.back().heard >> filter & 1) != 0) return false;
    Value tried = bound;
    if (!agrees(task, filter, event, tried)) return false;
    bound = std::move(tried);
    return true;
  };
  // What ends the listening is not consumed, whatever else it would pass.
  const auto ends = [&](std::uint32_t filter) { return task.filters[filter].ends; };
  auto taken = std::ranges::find_if(filters, [&](std::uint32_t filter) { return ends(filter) && takes(filter); });
  if (taken == filters.end()) {
    taken = std::ranges::find_if(filters, [&](std::uint32_t filter) { return !ends(filter) && takes(filter); });
  }
  if (taken == filters.end() || evaluation_.failure()) {
    return evaluation_.failure() ? base::Result<bool>(base::fail(*evaluation_.failure())) : base::Result<bool>(false);
  }

  const definition::ListenFilter& filter = task.filters[*taken];
  std::optional<Raised> failed;
  Json kept;
  Frame& frame = change_top();
  frame.bound = json::serialize(bound);
  frame.heard |= std::uint64_t{1} << *taken;
  frame.is_over = !task.goes_on || (filter.ends && !task.until_all);
  if (filter.ends && task.until_all) {
    bool is_over = true;
    for (std::size_t i = 0; i < task.filters.size(); ++i) {
      is_over = is_over && (!task.filters[i].ends || (frame.heard >> i & 1) != 0);
    }
    frame.is_over = is_over;
  }
  if (!filter.ends) {
    const Value item = read_as(task.read, event);
    Attempt<std::string> json = evaluation_.checked_json(item, "the event");
    if (json) {
      kept = *std::move(json);
    } else {
      failed = std::move(json).error();
    }
    if (task.strategy == ListenTask::Strategy::all) {
      frame.is_over = frame.heard ==
                      (task.filters.size() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << task.filters.size()) - 1);
    }
    // Only an expression that looks at all of them, and the end, need what was heard before.
    if (!failed && (task.until || frame.is_over)) {
      Value items = heard_items();
      items.push_back(item);
      at_->heard = std::move(items);
    }
    if (!failed && task.until) {
      const Attempt<Value> is_enough = evaluation_.evaluate(*task.until, *at_->heard);
      if (!is_enough) failed = is_enough.error();
      if (is_enough) frame.is_over = is_enough->is_truthy();
    }
  }
  if (failed) {
    pop();
    raise(index, std::move(failed->error), started_ns, 0);
    return true;
  }
  if (frame.is_over && runs == When::next) at_->due_ns = context_.now.ns();
  const Move moved = move(true);
  const Value* id = event.find("id");
  const bool is_recorded =
      emit(writer_.task_heard({index, &definition_.task(index), 0, started_ns}, *taken,
                              id != nullptr && id->is_string() ? id->as_string() : std::string_view(), kept, moved));
  if (kept && is_recorded) ++at_->frames.back().items_count;
  return true;
}

void Execution::end_listening() {
  TRV_EXPECTS(is_listening(*at_) && at_->frames.back().is_over);
  Value output = at_->heard ? *std::exchange(at_->heard, std::nullopt) : heard_items();
  if (evaluation_.failure()) return;
  leave_top(
      [&](const Frame& frame, const Value& input) { complete(frame.task, output, input, {}, frame.started_ns, 0); });
}

}  // namespace trv::instance
