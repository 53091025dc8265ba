#pragma once
// Expressions of one instance: what their variables mean, what they cost, and what their failures are to the workflow.
// One thread, for the time of one decision.

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "kernel/shard/decision.hpp"
#include "kernel/workflow/definition/definition.hpp"
#include "kernel/workflow/instance/decision_budget.hpp"
#include "kernel/workflow/instance/instance_data.hpp"
#include "kernel/workflow/instance/state.hpp"

namespace trv::instance {

/// An error of the workflow (RFC 7807), not of ours.
struct Raised {
  json::Value error;
};
template <typename T>
using Attempt = std::expected<T, Raised>;

class Evaluation final : public definition::VariableSource {
 public:
  using Value = json::Value;

  /// The task whose expressions are evaluated, and what they see of it.
  struct Scope {
    TaskIndex task = no_task;
    std::int64_t started_ns = 0;
    const Value* raw_input = nullptr;
    const Value* input = nullptr;
    const Value* raw_output = nullptr;
    const Value* output = nullptr;
  };
  /// Until its end expressions are of this scope, then of the one before. What the scope points to must live as long.
  class Within {
   public:
    Within(Evaluation& evaluation, const Scope& scope)
        : evaluation_(evaluation), before_(std::exchange(evaluation.scope_, scope)) {}
    ~Within() { evaluation_.scope_ = before_; }
    Within(const Within&) = delete;
    Within& operator=(const Within&) = delete;

   private:
    Evaluation& evaluation_;
    Scope before_;
  };

  /// References must outlive the evaluation.
  Evaluation(const shard::DecisionContext& context, const definition::Definition& definition,
             const InstanceId& instance, State& state, const InstanceData& data, DecisionBudget& budget);

  /// Expressions are of this branch from here on.
  void enter(BranchId branch);
  /// The input of a new instance, which is in no table yet.
  void set_input(Value input) { input_ = std::move(input); }
  [[nodiscard]] const Scope& scope() const noexcept { return scope_; }

  [[nodiscard]] Attempt<Value> evaluate(const definition::Template& part, const Value& input);
  [[nodiscard]] Attempt<Value> evaluate(const definition::Expression& part, const Value& input);
  /// Of what decides whether the instance hears an event, which costs the instance nothing: at most
  /// fuel_per_listener_max, counted apart in the budget. Nothing where it fails.
  [[nodiscard]] std::optional<Value> choose(const definition::Expression& part, const Value& input);
  /// Where secrets belong in the value of a part, whose place is `at`: appended to `out`, see Template::secrets.
  [[nodiscard]] Attempt<Value> secrets_of(const definition::Template& part, const Value& at, const Value& input,
                                          Value out);
  [[nodiscard]] Attempt<base::Duration> evaluate_duration(const definition::Template& part, const Value& input);
  /// What to raise where `value` does not match the schema, which may be absent; `what` is what the value is.
  [[nodiscard]] std::optional<Value> mismatch(const std::shared_ptr<const definition::Schemas>& schemas,
                                              std::optional<json_schema::Schema> definition::Schemas::* which,
                                              std::string_view what, const Value& value);
  /// The value as JSON, if it is not too large to be kept.
  [[nodiscard]] Attempt<std::string> checked_json(const Value& value, std::string_view what) const;
  /// The input of a frame of the branch; null where it was not kept.
  [[nodiscard]] const Value* input_of(Frame& frame);
  /// The current item of a loop, or the event that foreach is about.
  [[nodiscard]] Value item_of(BranchId branch, std::size_t depth);
  /// Of the task in scope; empty where there is none.
  [[nodiscard]] std::string_view reference() const;

  [[nodiscard]] Value variable(const definition::VariableReference& reference) override;

  /// Why the instance has to end, once: the decision's fuel was used up.
  [[nodiscard]] std::optional<Value> take_out_of_fuel() { return std::exchange(out_of_fuel_, std::nullopt); }
  /// Of reading the instance's data, the first; what was evaluated since means nothing.
  [[nodiscard]] const std::optional<base::Error>& failure() const noexcept { return failure_; }
  /// The value, or null and a failure.
  [[nodiscard]] Value read(base::Result<Value> value);
  void fail(base::Error error);

 private:
  [[nodiscard]] const Value& context_value();
  [[nodiscard]] Value workflow_value();
  [[nodiscard]] Value task_value() const;
  /// $task of an extension's tasks: the task that is extended.
  [[nodiscard]] Value extended_value(TaskIndex extension);
  /// $authorization: events have no place for the credential itself.
  [[nodiscard]] Value authorization_value() const;
  [[nodiscard]] Value local_value(const definition::VariableReference& reference);
  void watch_fuel();
  [[nodiscard]] Raised expression_error(const base::Error& error) const;

  const shard::DecisionContext& context_;
  const definition::Definition& definition_;
  const InstanceId& instance_;
  State& state_;
  const InstanceData& data_;
  DecisionBudget& budget_;
  BranchId branch_ = root_branch;
  Branch* at_;
  Scope scope_;
  std::optional<Value> workflow_;
  std::optional<Value> input_;
  std::optional<Value> out_of_fuel_;
  std::optional<base::Error> failure_;
};

}  // namespace trv::instance
