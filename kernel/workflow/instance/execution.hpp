#pragma once
// Runs one instance to quiescence: every internal step of its branches until each waits for an outcome, a time or its
// own branches, or the instance has ended. Pure: from a state, a definition and a context to the events. One thread,
// for the time of one decision. Each task kind has its own file run_<kind>.cpp; branches.cpp has what is about several.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kernel/workflow/instance/decision_budget.hpp"
#include "kernel/workflow/instance/definition_cache.hpp"
#include "kernel/workflow/instance/error.hpp"
#include "kernel/workflow/instance/evaluation.hpp"
#include "kernel/workflow/instance/events.hpp"
#include "kernel/workflow/instance/state.hpp"

namespace trv::instance {

/// What a new instance begins with.
struct Input {
  json::Value whole;                 ///< `input.from` and `$workflow.input` see it
  json::Value kept;                  ///< the instance keeps it
  std::uint64_t left_out_bytes = 0;  ///< of the event's data, which `kept` lacks where it is too large
  std::uint32_t chain = 0;           ///< see State
  Names names{};                     ///< of the instance
};

/// A workflow that a task runs: an instance that begins in the same decision.
struct Child {
  InstanceId id;
  DefinitionPointer definition;
  json::Value input;
  std::string trigger;
  BranchId branch = root_branch;  ///< that runs it
};
/// What the trigger of such an instance begins with; the rest is in runs.cpp.
inline constexpr std::string_view run_trigger = "run:";
/// Of workflows that run workflows.
inline constexpr std::uint32_t run_depth_max = 50;

/// Whether a new instance runs in the decision that starts it, or in one of its own that a timer asks for at once.
enum class When : std::uint8_t { now, next };

class Execution final {
 public:
  /// References must outlive the execution. `state` is where the events so far have led; `budget` is the decision's.
  Execution(const shard::DecisionContext& context, const definition::Definition& definition, const InstanceId& instance,
            State&& state, const InstanceData& data, DecisionBudget& budget);

  /// Appends InstanceStarted for a new instance, with its input transformed. Error: too_large for the input.
  [[nodiscard]] base::Status begin(std::string_view trigger, const Input& input, When runs = When::now);
  /// An event that one of these filters of the task lets pass, where the branch listens: the first that agrees with it
  /// consumes it. With When::next the task ends in a decision of its own. False: nothing has changed. Error: as run().
  [[nodiscard]] base::Result<bool> hear(BranchId branch, TaskIndex index, std::span<const std::uint32_t> filters,
                                        const json::Value& event, When runs);
  /// The instance that the branch runs has ended. False where it does not await that one.
  [[nodiscard]] bool take_return(BranchId branch, const InstanceId& child, Returned returned);
  /// An operator lets it wait, or go on.
  void suspend(std::string_view reason);
  void resume(std::string_view reason);
  /// The same, and the branch's next task gets this.
  void resume_with(std::string_view reason, BranchId branch, json::Value data);
  /// It goes on from its state, which the event holds. Error: too_large for that.
  [[nodiscard]] base::Status restore(const Restoration& restoration);
  /// The same of an instance that begins with this state.
  [[nodiscard]] base::Status fork(std::string_view trigger, const Restoration& restoration);
  /// Its state is in the tasks of this definition, which the event says. Error: too_large for that.
  [[nodiscard]] base::Status migrate(const Migration& migration);
  /// The events are about this one from an operator; what becomes of it is heard after it.
  void signal(std::string_view id, std::string_view type, const json::Value& event, std::string_view reason);
  /// It is cancelled: what its completed tasks have done is undone first. With When::next that begins in a decision of
  /// its own.
  void cancel(std::string_view reason, When runs);
  /// Of an instance whose completed tasks are being undone: the tasks of which that is not done, the first
  /// compensations_named_max and how many more.
  [[nodiscard]] base::Result<std::vector<std::string>> not_compensated() const;
  /// Goes on until it waits or ends. Error: of reading the instance's data only.
  [[nodiscard]] base::Status run();

  [[nodiscard]] const State& state() const noexcept { return state_; }
  [[nodiscard]] const definition::Definition& definition() const noexcept { return definition_; }
  [[nodiscard]] std::vector<Child> take_children() { return std::exchange(children_, {}); }
  /// Instances that it ran and whose end nobody awaits any more.
  [[nodiscard]] std::vector<InstanceId> take_abandoned() { return std::exchange(abandoned_, {}); }
  [[nodiscard]] shard::Decision take_decision() { return std::exchange(decision_, {}); }

 private:
  using Value = json::Value;

  // execution.cpp: the loop
  void step();
  void run_task(TaskIndex index);
  void skip(TaskIndex index);
  void end_of_scope();
  void end_of_workflow();
  void settle();
  /// Of a call, from its outcome.
  [[nodiscard]] static Attempt<Value> result_of(const definition::Task& task, const shard::Outcome& outcome);
  /// Leaves the innermost frame; what follows of its task is done by `then`, which sees the frame and the task's input.
  void leave_top(const std::function<void(const Frame& frame, const Value& input)>& then);
  void fault(Value error);
  [[nodiscard]] std::int64_t deadline_after(base::Duration timeout) const;
  /// Ends the outermost task whose time is over, or the instance. False where there is none.
  bool time_out();
  [[nodiscard]] bool is_over(std::int64_t deadline_ns) const noexcept {
    return deadline_ns != 0 && deadline_ns <= context_.now.ns();
  }

  // branches.cpp
  void enter(BranchId branch);
  /// The first branch that has something to do.
  [[nodiscard]] std::optional<BranchId> first_runnable() const;
  [[nodiscard]] bool is_runnable(const Branch& branch) const;
  [[nodiscard]] bool is_in_fork(const Branch& branch) const;
  /// The branches of the fork that this one waits in, in the order of the text.
  [[nodiscard]] std::vector<BranchId> branches_of(BranchId parent) const;
  void join();
  /// The branch's error becomes that of the fork, which ends.
  void fail_fork();
  /// With the branches that they have; their effects are cancelled.
  void remove_branches(BranchId parent);
  void cancel_effect(Branch& branch);
  /// The call's request goes out of this decision, as if it had not been made.
  void withdraw(Branch& branch);
  void read_data(BranchId branch);

  // One for each task kind: evaluates, then completes the task, enters its scope, waits or raises. `input` is
  // transformed.
  void run(TaskIndex index, const definition::SetTask& task, const Value& input);
  void run(TaskIndex index, const definition::DoTask& task, const Value& input);
  void run(TaskIndex index, const definition::SwitchTask& task, const Value& input);
  void run(TaskIndex index, const definition::PluginCall& task, const Value& input);
  void run(TaskIndex index, const definition::HttpCall& task, const Value& input);
  void run(TaskIndex index, const definition::WaitTask& task, const Value& input);
  void run(TaskIndex index, const definition::RaiseTask& task, const Value& input);
  void run(TaskIndex index, const definition::TryTask& task, const Value& input);
  void run(TaskIndex index, const definition::ForTask& task, const Value& input);
  void run(TaskIndex index, const definition::ForkTask& task, const Value& input);
  void run(TaskIndex index, const definition::EmitTask& task, const Value& input);
  void run(TaskIndex index, const definition::ListenTask& task, const Value& input);
  void run(TaskIndex index, const definition::RunTask& task, const Value& input);
  void run(TaskIndex index, const definition::ProcessTask& task, const Value& input);
  /// Of a script that was fetched: the input of the task around it.
  [[nodiscard]] static Value fetched_data(const Value& input);

  // run_call.cpp, run_http.cpp: effects and their outcomes
  void request(TaskIndex index, const Value& input, shard::Effect&& effect, const Value& arguments);
  [[nodiscard]] Attempt<std::string> address_of(const definition::Endpoint& endpoint, const Value& input);
  /// {"scheme", and the policy's properties} or {"scheme", "use"}.
  [[nodiscard]] Attempt<Value> authentication_of(const definition::CallAuthentication& authentication,
                                                 const Value& input);
  /// The error of an HTTP call whose service did not answer as the task wants it to.
  [[nodiscard]] static std::optional<Value> refusal_of(const definition::HttpCall& call, std::uint32_t status,
                                                       std::string_view reference);
  // run_listen.cpp
  [[nodiscard]] bool is_listening(const Branch& branch) const;
  /// Whether the event has what the filter wants of this instance; what the first event binds goes into `bound`.
  [[nodiscard]] bool agrees(const definition::ListenTask& task, std::size_t filter, const Value& event, Value& bound);
  /// What the task at this depth has consumed, the first `count`, without what this decision brought; of foreach what
  /// has become of it.
  [[nodiscard]] Value heard_items(std::size_t depth, std::size_t count);
  void end_listening();
  /// The next of its events is what the tasks of foreach get.
  void begin_item(Value item);
  void end_item();
  void leave_item(TaskIndex index, Value error);
  // run_workflow.cpp
  [[nodiscard]] bool is_in_run(const Branch& branch) const;
  void end_run();
  void abandon_child(Branch& branch);
  // run_do.cpp
  /// The extension whose task this is, where the branch is directly within it.
  [[nodiscard]] const definition::DoTask* extension_of(TaskIndex index) const;
  void follow_extended(TaskIndex index, definition::Flow flow);
  /// Where the flow goes after a task whose list has ended, if not where its `then` says.
  [[nodiscard]] definition::Flow flow_after(const Frame& frame) const;
  // compensation.cpp
  /// Everything else is left; from here on completed tasks are undone.
  void compensate(Compensating why, When runs);
  /// Undoes the last completed task that is not undone yet; after the first one the instance ends.
  void next_compensation();
  /// The one that runs, if one does, has failed; the others still run.
  void fail_compensation(const Value& error);
  void end_compensating();
  [[nodiscard]] bool can_compensate() const noexcept { return state_.compensable > 0 || !state_.completed.empty(); }
  /// The root leaves all that it is inside of, and all branches and effects with it.
  void leave_all();
  // run_for.cpp
  void next_iteration();
  // run_try.cpp
  void handle_error();
  [[nodiscard]] Attempt<bool> catches(const Frame& frame, const definition::TryTask& task);
  [[nodiscard]] Attempt<std::optional<base::Timestamp>> retry_at(const Frame& frame, const definition::TryTask& task);
  void leave_to(std::size_t frame_index);
  /// When a run of the list that begins then is over; 0: never.
  [[nodiscard]] Attempt<std::int64_t> attempt_deadline(const definition::TryTask& task, base::Timestamp begins);
  /// The run of the list in the `try` at this depth is over: that is an error, which the `try` may catch.
  void end_attempt(std::size_t depth);

  // completion.cpp: what follows every task
  void complete(TaskIndex index, const Value& raw_output, const Value& input, definition::Flow flow,
                std::int64_t started_ns, std::uint32_t attempt);
  void follow(TaskIndex index, definition::Flow flow);
  /// `then: end` leaves all that the branch is inside of.
  void leave_for_end();
  void raise(TaskIndex index, Value error, std::int64_t started_ns, std::uint32_t attempt);
  void push(Frame frame);
  void pop();
  Frame& change_top();
  void set_data(Value data);
  [[nodiscard]] Move move(bool with_data);
  /// False where the event cannot be and the instance faults instead.
  bool emit(record::Draft draft);
  [[nodiscard]] Json data_json();
  [[nodiscard]] bool in_call() const { return in_call(*at_); }
  [[nodiscard]] bool in_call(const Branch& branch) const;
  [[nodiscard]] bool has_yielded() const noexcept {
    return budget_.steps >= steps_per_decision_max || budget_.event_bytes >= event_bytes_per_decision_max ||
           budget_.fuel.left() < fuel_per_task_max;
  }
  /// The task whose scope the branch is inside of; no_task at the top of the root.
  [[nodiscard]] TaskIndex scope_task() const noexcept;
  /// A task runs, completes and raises only while the innermost frame is its parent's.
  [[nodiscard]] bool stands_in_scope(TaskIndex index) const;

  const shard::DecisionContext& context_;
  const definition::Definition& definition_;
  InstanceId instance_;
  EventWriter writer_;
  State state_;
  BranchId branch_ = root_branch;  ///< the one that runs
  Branch* at_ = nullptr;           ///< the same
  const InstanceData& instance_data_;
  DecisionBudget& budget_;
  Evaluation evaluation_;
  shard::Decision decision_;
  std::int64_t deadline_ns_ = 0;  ///< of the task that begins; its frame takes it
  std::vector<Child> children_;
  std::vector<InstanceId> abandoned_;
  std::optional<Value> ended_with_;  ///< the workflow ends with this output, wherever its branches are
  bool others_go_on_ = false;        ///< the last event says that other branches go on in a later decision
  bool blocked_ = false;             ///< the branch has nothing to do before an outcome, a time or its branches
  std::optional<Arrival> arrival_;   ///< goes into the event of the task that waited for it
};

}  // namespace trv::instance
