// `call` of a plugin's operation, and what every call shares: the effect and its key.

#include <span>

#include "kernel/workflow/instance/execution.hpp"
#include "kernel/workflow/instance/store.hpp"
#include "sdk/base/contract.hpp"

namespace trv::instance {
namespace {

constexpr base::Duration timeout_default = std::chrono::seconds(30);
constexpr base::Duration call_timeout_max = std::chrono::hours(24);

/// The value with another in the place that the names lead to, which is there.
json::Value with_at(json::Value value, std::span<const std::string> path, const json::Value& put) {
  if (path.empty()) return put;
  const json::Value* inner = value.find(std::string_view(path.front()));
  TRV_ASSERT(inner != nullptr);
  value.set(path.front(), with_at(*inner, path.subspan(1), put));
  return value;
}

}  // namespace

void Execution::run(TaskIndex index, const definition::PluginCall& task, const Value& input) {
  Attempt<Value> arguments = evaluation_.evaluate(task.input, input);
  if (!arguments) return raise(index, std::move(arguments).error().error, context_.now.ns(), 0);
  for (const definition::PlacedAddress& address : task.addresses) {
    Attempt<std::string> text = address_of(address.endpoint, input);
    if (!text) return raise(index, std::move(text).error().error, context_.now.ns(), 0);
    *arguments = with_at(*arguments, address.path, Value(*text));
  }
  shard::Effect effect;
  effect.kind = "plugin";
  effect.plugin = task.plugin;
  effect.version = task.version;
  effect.operation = task.operation;
  effect.connection = task.connection;
  request(index, input, std::move(effect), *arguments);
}

void Execution::request(TaskIndex index, const Value& input, shard::Effect&& effect, const Value& arguments) {
  TRV_EXPECTS(!in_call() && !at_->outcome.has_value());
  const definition::Task& task = definition_.task(index);
  const std::int64_t now_ns = context_.now.ns();
  Attempt<std::string> json = evaluation_.checked_json(arguments, "what is handed to the operation");
  if (!json) return raise(index, std::move(json).error().error, now_ns, 0);
  // A script's time begins with it, and not while it waits for its turn.
  bool has_own = false;
  effect.timeout = effect.kind == "process" ? base::Duration::zero() : timeout_default;
  const auto* call = std::get_if<definition::PluginCall>(&task.body);
  const auto* process = std::get_if<definition::ProcessTask>(&task.body);
  const bool is_fetched = process != nullptr && process->is_fetched;
  // What the text has as one task has one timeout.
  const definition::Task& whole = is_fetched ? definition_.task(task.parent) : task;
  const Value seen = is_fetched ? fetched_data(input) : input;
  for (const std::optional<definition::Template>* part : {call == nullptr ? nullptr : &call->timeout, &whole.timeout}) {
    if (part == nullptr || !*part) continue;
    const Attempt<base::Duration> timeout = evaluation_.evaluate_duration(**part, seen);
    if (!timeout) return raise(index, timeout.error().error, now_ns, 0);
    const auto length = std::clamp<base::Duration>(*timeout, std::chrono::milliseconds(1), call_timeout_max);
    effect.timeout = has_own ? std::min(effect.timeout, length) : length;
    has_own = true;
  }
  TaskRuns* runs = nullptr;
  for (TaskRuns& known : state_.runs) {
    if (known.task == index) runs = &known;
  }
  if (runs == nullptr) runs = &state_.runs.emplace_back(index, 0);
  ++runs->runs;
  TRV_ASSERT(runs->runs >= 1 && effect.timeout >= base::Duration::zero());

  effect.stream_kind = instance_stream;
  effect.owner = writer_.instance();
  effect.task = task.reference;
  effect.attempt = runs->runs;
  effect.is_tried_once = effect.kind == "plugin" && definition_.is_retried(index);
  effect.key = effect_key(context_.tenant, effect.owner, effect.task, effect.attempt);
  effect.input = *std::move(json);

  Frame frame{.task = index, .attempt = effect.attempt, .started_ns = now_ns};
  frame.has_input = task.input_from && task.needs_input();
  if (frame.has_input) frame.input = input;
  push(std::move(frame));
  at_->next = no_task;
  const Move moved = move(true);
  if (emit(writer_.requested({index, &task, effect.attempt, now_ns}, effect, moved))) {
    TRV_ASSERT(in_call() && at_->frames.back().attempt == effect.attempt);
    at_->requested_event = decision_.events.size() - 1;
    decision_.request(std::move(effect));
  }
}

}  // namespace trv::instance
