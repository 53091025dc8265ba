// `listen`: what a task waits for, the events that it consumes, and when it has heard enough.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "kernel/workflow/instance/listeners.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

using definition::ListenTask;
using json::Value;

namespace {

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
    const bool is_known = expected.size() == filter.correlations.size() && filter.correlates_alone();
    subscriptions.push_back({.filter = static_cast<std::uint32_t>(i),
                             .type = filter.event.type,
                             .correlation = is_known ? correlation_of(expected) : 0});
  }
  Attempt<std::string> json = evaluation_.checked_json(bound, "what 'correlate' expects");
  if (!json) return raise(index, std::move(json).error().error, now_ns, 0);
  Frame frame{.task = index, .started_ns = now_ns};
  frame.has_input = task.foreach || (definition_.task(index).input_from && definition_.task(index).needs_input());
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
  for (const definition::AttributeFilter& attribute : task.filters[index].event.attributes) {
    if (!attribute.is_of_instance()) continue;
    const Value* found = event.find(std::string_view(attribute.name));
    if (found == nullptr) return false;
    const std::optional<Value> result = evaluation_.choose(*attribute.expression, *found);
    if (!result || !attribute.agrees(*found, *result)) return false;
  }
  for (const definition::Correlation& correlation : task.filters[index].correlations) {
    const std::optional<Value> value = evaluation_.choose(correlation.from, event);
    // What has no such value is another conversation's.
    if (!value || value->is_null()) return false;
    const std::string name = bound_name(index, correlation);
    const Value* expected = bound.find(std::string_view(name));
    if (expected != nullptr && expected->as_string() != correlation_text(*value)) return false;
    if (expected == nullptr) bound.set(name, Value(correlation_text(*value)));
  }
  return true;
}

Value Execution::heard_items(std::size_t depth, std::size_t count) {
  const Frame& frame = at_->frames[depth];
  TRV_EXPECTS(count <= frame.items_count);
  std::vector<Value> items;
  std::optional<Value> row;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t place = i % items_per_row;
    if (place == 0) row.reset();
    if (const auto fresh = frame.fresh.find(static_cast<std::uint32_t>(i)); fresh != frame.fresh.end()) {
      items.push_back(fresh->second);
      continue;
    }
    if (!row) {
      base::Result<Value> some = instance_data_.loop_items(branch_, depth, i / items_per_row);
      if (!some) evaluation_.fail(some.error());
      row = some ? *std::move(some) : Value();
    }
    if (!row->is_array() || place >= row->size()) {
      evaluation_.fail(base::Error(base::ErrorCode::corrupt, "a task lacks what it heard; rebuild the projection"));
      break;
    }
    items.push_back(row->at(place));
  }
  return Value::array(std::move(items));
}

base::Result<bool> Execution::hear(BranchId branch, TaskIndex index, std::span<const std::uint32_t> filters,
                                   const Value& event, When runs) {
  enter(branch);
  if (evaluation_.failure()) return base::fail(*evaluation_.failure());
  TRV_EXPECTS(state_.status == Status::running);
  const auto listening = std::ranges::find(at_->frames, index, &Frame::task);
  if (listening == at_->frames.end() || listening->is_over || at_->error) return false;
  const std::size_t depth = at_->depth_of(*listening);
  const std::int64_t started_ns = listening->started_ns;
  const auto& task = std::get<ListenTask>(definition_.task(index).body);
  const bool is_innermost = depth + 1 == at_->frames.size();
  TRV_ASSERT(task.foreach || is_innermost);
  // Nothing is done with an earlier event.
  const bool is_idle = is_innermost && at_->next == no_task && listening->index == listening->items_count;
  const bool sees_input = definition_.task(index).needs_input();
  const Value* kept_input = sees_input ? evaluation_.input_of(*listening) : nullptr;
  const Value input = !sees_input ? Value() : kept_input == nullptr ? at_->data : *kept_input;
  const Evaluation::Within within(evaluation_,
                                  {.task = index, .started_ns = started_ns, .raw_input = &input, .input = &input});
  Value bound = json::parse(listening->bound).value_or(Value::object());
  const auto takes = [&](std::uint32_t filter) {
    const bool once = task.strategy == ListenTask::Strategy::all || (task.until_all && task.filters[filter].ends);
    if (once && (at_->frames[depth].heard >> filter & 1) != 0) return false;
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
  // Frames inside of this one stay as they are: its change has a place of its own in the event.
  Frame& frame = task.foreach ? at_->frames[depth] : change_top();
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
    if (task.foreach) {
      if (!failed) frame.fresh.insert_or_assign(frame.items_count, item);
    } else if (!failed && (task.until || frame.is_over)) {
      Value items = heard_items(depth, frame.items_count);
      items.push_back(item);
      at_->heard = std::move(items);
    }
    if (!failed && task.until && !task.foreach) {
      const Attempt<Value> is_enough = evaluation_.evaluate(*task.until, *at_->heard);
      if (!is_enough) failed = is_enough.error();
      if (is_enough) frame.is_over = is_enough->is_truthy();
    }
  }
  if (failed) {
    cancel_effect(*at_);
    remove_branches(branch_);
    at_->due_ns = 0;
    leave_to(depth);
    pop();
    raise(index, std::move(failed->error), started_ns, 0);
    return true;
  }
  const bool goes_on = task.foreach ? is_idle && (kept || frame.is_over) : frame.is_over;
  if (goes_on && runs == When::next) at_->due_ns = context_.now.ns();
  if (task.foreach && is_idle && kept) begin_item(frame.fresh.at(frame.items_count));
  const Move moved = move(true);
  const Value* id = event.find("id");
  const std::string_view id_text = id != nullptr && id->is_string() ? id->as_string() : std::string_view();
  const StepOf step{index, &definition_.task(index), 0, started_ns};
  const bool is_recorded = emit(task.foreach ? writer_.task_heard(step, *taken, id_text, kept, frame, depth, moved)
                                             : writer_.task_heard(step, *taken, id_text, kept, moved));
  if (kept && is_recorded) ++at_->frames[depth].items_count;
  return true;
}

void Execution::end_listening() {
  TRV_EXPECTS(is_listening(*at_));
  const Frame& top = at_->frames.back();
  const bool iterates = std::get<ListenTask>(definition_.task(top.task).body).foreach.has_value();
  if (iterates && top.index < top.items_count) return end_item();
  TRV_EXPECTS(top.is_over);
  Value output =
      at_->heard ? *std::exchange(at_->heard, std::nullopt) : heard_items(at_->frames.size() - 1, top.items_count);
  if (evaluation_.failure()) return;
  leave_top(
      [&](const Frame& frame, const Value& input) { complete(frame.task, output, input, {}, frame.started_ns, 0); });
}

void Execution::begin_item(Value item) {
  set_data(std::move(item));
  at_->next = std::get<ListenTask>(definition_.task(at_->frames.back().task).body).foreach->first;
}

void Execution::leave_item(TaskIndex index, Value error) {
  const std::int64_t started_ns = at_->frames.back().started_ns;
  pop();
  raise(index, std::move(error), started_ns, 0);
}

void Execution::end_item() {
  const std::size_t depth = at_->frames.size() - 1;
  const TaskIndex index = at_->frames.back().task;
  const auto& task = std::get<ListenTask>(definition_.task(index).body);
  const definition::ForEachEvent& each = *task.foreach;
  const Value* kept = evaluation_.input_of(at_->frames.back());
  const Value input = kept == nullptr ? at_->data : *kept;
  const Value raw_output = at_->data;
  Value output = raw_output;
  Evaluation::Scope scope{.task = index,
                          .started_ns = at_->frames.back().started_ns,
                          .raw_input = &input,
                          .input = &input,
                          .raw_output = &raw_output};
  const Evaluation::Within within(evaluation_, scope);
  if (each.output_as) {
    Attempt<Value> transformed = evaluation_.evaluate(*each.output_as, raw_output);
    if (!transformed) return leave_item(index, std::move(transformed).error().error);
    output = *std::move(transformed);
  }
  if (auto wrong = evaluation_.mismatch(each.schemas, &definition::Schemas::output, "the output", output)) {
    return leave_item(index, *std::move(wrong));
  }
  Attempt<std::string> output_json = evaluation_.checked_json(output, "the output");
  if (!output_json) return leave_item(index, std::move(output_json).error().error);
  Processed processed{.item = at_->frames.back().index, .output = *std::move(output_json), .context = {}};
  if (each.export_as) {
    scope.output = &output;
    const Evaluation::Within sees_output(evaluation_, scope);
    Attempt<Value> exported = evaluation_.evaluate(*each.export_as, output);
    if (!exported) return leave_item(index, std::move(exported).error().error);
    if (auto wrong = evaluation_.mismatch(each.schemas, &definition::Schemas::exported, "the context", *exported)) {
      return leave_item(index, *std::move(wrong));
    }
    Attempt<std::string> json = evaluation_.checked_json(*exported, "the context");
    if (!json) return leave_item(index, std::move(json).error().error);
    processed.context = *std::move(json);
    at_->context = *std::move(exported);
    at_->has_context = true;
  }
  Frame& frame = change_top();
  frame.fresh.insert_or_assign(frame.index, std::move(output));
  ++frame.index;
  if (task.until) {
    const Value so_far = heard_items(depth, frame.index);
    const Attempt<Value> is_enough = evaluation_.evaluate(*task.until, so_far);
    if (!is_enough) return leave_item(index, is_enough.error().error);
    if (is_enough->is_truthy()) {
      processed.is_last = true;
      frame.is_over = true;
      frame.items_count = frame.index;
    }
  }
  if (evaluation_.failure()) return;
  if (frame.index < frame.items_count) begin_item(evaluation_.item_of(branch_, depth));
  const Move moved = move(true);
  emit(writer_.task_processed({index, &definition_.task(index), 0, frame.started_ns}, processed, moved));
}

}  // namespace trv::instance
