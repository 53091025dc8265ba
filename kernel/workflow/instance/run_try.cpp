// `try`: which errors it catches, when it runs again, and its catch.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/execution.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {

using definition::Backoff;

namespace {

constexpr std::int64_t delay_max_ns = std::int64_t{24} * 3600 * 1'000'000'000;

/// constant d, linear n·d, exponential d·2^(n-1), for the n-th retry; never over a day.
std::int64_t backoff_ns(Backoff backoff, std::int64_t delay_ns, std::uint32_t retry) {
  TRV_EXPECTS(retry >= 1 && delay_ns >= 0);
  std::int64_t factor = 1;
  if (backoff == Backoff::linear) factor = retry;
  if (backoff == Backoff::exponential) factor = std::int64_t{1} << std::min<std::uint32_t>(retry - 1, 62);
  std::int64_t out = 0;
  if (__builtin_mul_overflow(delay_ns, factor, &out)) return delay_max_ns;
  return std::clamp<std::int64_t>(out, 0, delay_max_ns);
}

}  // namespace

void Execution::run(TaskIndex index, const definition::TryTask& task, const Value& input) {
  Frame frame{.task = index, .started_ns = context_.now.ns(), .has_input = true, .input = input};
  const Attempt<std::int64_t> deadline_ns = attempt_deadline(task, context_.now);
  if (!deadline_ns) return raise(index, deadline_ns.error().error, context_.now.ns(), 0);
  frame.attempt_deadline_ns = *deadline_ns;
  push(std::move(frame));
  set_data(input);
  at_->next = task.first;
}

Attempt<std::int64_t> Execution::attempt_deadline(const definition::TryTask& task, base::Timestamp begins) {
  if (!task.retry || !task.retry->attempt_duration_max) return 0;
  const Attempt<base::Duration> length =
      evaluation_.evaluate_duration(*task.retry->attempt_duration_max, *evaluation_.scope().input);
  if (!length) return std::unexpected(length.error());
  return (begins + std::clamp<base::Duration>(*length, base::Duration(1), timeout_max)).ns();
}

void Execution::end_attempt(std::size_t depth) {
  leave_to(depth);
  Frame& frame = change_top();
  frame.attempt_deadline_ns = 0;
  at_->next = no_task;
  const definition::Task& task = definition_.task(frame.task);
  at_->error = make_error(
      StandardError::timeout, task.reference,
      fmt::format("the tasks that '{}' tries did not end within its 'retry.limit.attempt.duration'", task.name));
}

void Execution::leave_to(std::size_t frame_index) {
  TRV_EXPECTS(frame_index < at_->frames.size());
  while (at_->frames.size() > frame_index + 1) pop();
}

void Execution::handle_error() {
  TRV_EXPECTS(at_->error.has_value());
  for (std::size_t i = at_->frames.size(); i-- > 0;) {
    const auto* task = std::get_if<definition::TryTask>(&definition_.task(at_->frames[i].task).body);
    if (task == nullptr || at_->frames[i].error) continue;
    const TaskIndex index = at_->frames[i].task;
    // The conditions see the error by its name as the catch's tasks do.
    const Value* kept = evaluation_.input_of(at_->frames[i]);
    Frame probe = at_->frames[i];
    probe.error = at_->error;
    std::vector<Frame> outer(at_->frames.begin(), at_->frames.begin() + static_cast<std::ptrdiff_t>(i));
    outer.push_back(probe);
    std::swap(outer, at_->frames);
    const Value input = kept == nullptr ? at_->data : *kept;
    Attempt<bool> caught = false;
    Attempt<std::optional<base::Timestamp>> again = std::optional<base::Timestamp>();
    Attempt<std::int64_t> deadline_ns = 0;
    {
      const Evaluation::Within within(
          evaluation_, {.task = index, .started_ns = probe.started_ns, .raw_input = &input, .input = &input});
      caught = catches(probe, *task);
      if (caught && *caught && task->retry) again = retry_at(probe, *task);
      if (again && *again) deadline_ns = attempt_deadline(*task, **again);
    }
    std::swap(outer, at_->frames);
    if (!caught || !again || !deadline_ns) {
      // A condition that fails is an error of its own, which an outer `try` can catch.
      at_->error = !caught ? caught.error().error : !again ? again.error().error : deadline_ns.error().error;
      continue;
    }
    if (!*caught) continue;

    leave_to(i);
    const Value error = *std::exchange(at_->error, std::nullopt);
    set_data(input);
    if (again->has_value()) {
      Frame& frame = change_top();
      ++frame.attempt;
      frame.attempt_deadline_ns = *deadline_ns;
      at_->next = task->first;
      at_->due_ns = **again > context_.now ? (*again)->ns() : 0;
      const StepOf step{index, &definition_.task(index), frame.attempt, frame.started_ns};
      const Move moved = move(true);
      emit(writer_.task_retried(step, json::serialize(error), moved));
      return;
    }
    if (task->catch_first != no_task) {
      change_top().error = error;
      change_top().attempt_deadline_ns = 0;
      at_->next = task->catch_first;
      return;
    }
    return leave_top([&](const Frame& frame, const Value& kept_input) {
      complete(index, kept_input, kept_input, task->caught_then, frame.started_ns, frame.attempt);
    });
  }
  if (branch_ != root_branch) return fail_fork();
  // In a compensation it is that one's error.
  fault(*std::exchange(at_->error, std::nullopt));
}

Attempt<bool> Execution::catches(const Frame& frame, const definition::TryTask& task) {
  TRV_EXPECTS(frame.error.has_value() && evaluation_.scope().input != nullptr);
  definition::ErrorFilter wanted = task.errors;
  for (const auto& [name, part] : task.errors.computed) {
    const Attempt<Value> value = evaluation_.evaluate(part, *evaluation_.scope().input);
    if (!value) return std::unexpected(value.error());
    // Nothing is like a value that no error can have.
    const bool fits = name == "status" ? value->is_int() : value->is_string();
    if (!fits) return false;
    if (name == "status") wanted.status = value->as_int();
    if (name == "type") wanted.type = value->as_string();
    if (name == "instance") wanted.instance = value->as_string();
    if (name == "title") wanted.title = value->as_string();
    if (name == "detail") wanted.detail = value->as_string();
  }
  if (!matches(wanted, *frame.error)) return false;
  if (task.when) {
    const Attempt<Value> truth = evaluation_.evaluate(*task.when, *evaluation_.scope().input);
    if (!truth) return std::unexpected(truth.error());
    if (!truth->is_truthy()) return false;
  }
  if (task.except_when) {
    const Attempt<Value> truth = evaluation_.evaluate(*task.except_when, *evaluation_.scope().input);
    if (!truth) return std::unexpected(truth.error());
    if (truth->is_truthy()) return false;
  }
  return true;
}

Attempt<std::optional<base::Timestamp>> Execution::retry_at(const Frame& frame, const definition::TryTask& task) {
  TRV_EXPECTS(task.retry.has_value() && evaluation_.scope().input != nullptr);
  const definition::RetryPolicy& policy = *task.retry;
  const Value& input = *evaluation_.scope().input;
  const std::optional<base::Timestamp> never;
  if (policy.attempts_max && frame.attempt >= *policy.attempts_max) return never;
  if (policy.when) {
    const Attempt<Value> truth = evaluation_.evaluate(*policy.when, input);
    if (!truth) return std::unexpected(truth.error());
    if (!truth->is_truthy()) return never;
  }
  if (policy.except_when) {
    const Attempt<Value> truth = evaluation_.evaluate(*policy.except_when, input);
    if (!truth) return std::unexpected(truth.error());
    if (truth->is_truthy()) return never;
  }
  const auto length = [&](const std::optional<definition::Template>& part) -> Attempt<std::int64_t> {
    if (!part) return 0;
    const Attempt<base::Duration> duration = evaluation_.evaluate_duration(*part, input);
    if (!duration) return std::unexpected(duration.error());
    return std::clamp<std::int64_t>(duration->count(), 0, delay_max_ns);
  };
  const Attempt<std::int64_t> delay_ns = length(policy.delay);
  if (!delay_ns) return std::unexpected(delay_ns.error());
  const Attempt<std::int64_t> from_ns = length(policy.jitter_from);
  if (!from_ns) return std::unexpected(from_ns.error());
  const Attempt<std::int64_t> to_ns = length(policy.jitter_to);
  if (!to_ns) return std::unexpected(to_ns.error());
  std::int64_t wait_ns = backoff_ns(policy.backoff, *delay_ns, frame.attempt + 1);
  if (*to_ns > *from_ns) {
    // Ids are the only randomness of a decision; the low half of one is drawn anew for each.
    const base::Uuid id = context_.ids.next(context_.now);
    const auto& bytes = id.bytes();
    std::uint64_t drawn = 0;
    for (std::size_t i = 9; i < 16; ++i) drawn = (drawn << 8) | bytes[i];
    wait_ns += static_cast<std::int64_t>(drawn % static_cast<std::uint64_t>(*to_ns - *from_ns + 1));
  }
  wait_ns += *from_ns;
  TRV_ASSERT(wait_ns >= 0 && wait_ns <= 2 * delay_max_ns);
  const base::Timestamp at = context_.now + base::Duration(wait_ns);
  if (policy.duration_max) {
    const Attempt<base::Duration> limit = evaluation_.evaluate_duration(*policy.duration_max, input);
    if (!limit) return std::unexpected(limit.error());
    if (at.ns() - frame.started_ns > limit->count()) return never;
  }
  return std::optional(at);
}

}  // namespace trv::instance
