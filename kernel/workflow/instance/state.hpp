#pragma once
// The state of an instance, as a decision works with it. Plain values, one thread.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/json/value.hpp"
#include "kernel/shard/effect.hpp"
#include "kernel/workflow/definition/definition.hpp"
#include "sdk/base/contract.hpp"
#include "sdk/base/uuid.hpp"

namespace trv::instance {

using definition::no_task;
using definition::TaskIndex;
using InstanceId = base::Uuid;

enum class Status : std::uint8_t {
  running = 1,  ///< also while its branches wait
  completed = 2,
  faulted = 3,
  cancelled = 4,
  suspended = 5,     ///< in lists only: it runs, with State::is_suspended
  compensating = 6,  ///< in lists only: it runs, with State::compensating
};

/// "running", "completed", "faulted", "cancelled", "suspended", "compensating".
[[nodiscard]] std::string_view to_string(Status status) noexcept;

/// A scope (do, try, for) that a branch is inside of, or, innermost only, the call, wait, fork or listen that it waits
/// in.
struct Frame {
  TaskIndex task = no_task;
  std::uint32_t attempt = 0;  ///< try: retries so far; call: which run of the task this is
  std::uint32_t index = 0;    ///< for: the current item
  std::int64_t started_ns = 0;
  bool has_input = false;                        ///< transformed input, where something later needs it
  std::uint32_t items_count = 0;                 ///< for: all of them
  std::optional<json::Value> input{};            ///< absent where it was not read yet
  std::optional<json::Value> items{};            ///< for: all, or the row that holds the current one
  std::uint32_t items_first = 0;                 ///< the place of the first in `items`
  std::optional<json::Value> error{};            ///< try: within its catch
  std::int64_t deadline_ns = 0;                  ///< times out at this time; 0 = it does not
  std::uint64_t heard = 0;                       ///< listen: a bit for each filter that has consumed an event
  bool is_over = false;                          ///< listen: it has heard all that it wants
  std::string bound{};                           ///< listen: JSON object of what events have to agree in
  std::string child{};                           ///< run: the instance whose end is awaited
  definition::Flow then{};                       ///< extension: where the flow goes after it, as the extended task says
  std::int64_t attempt_deadline_ns = 0;          ///< try: the run of its list is over at this time; 0 = it is not
  std::map<std::uint32_t, json::Value> fresh{};  ///< foreach: items, or outputs, that this decision has; never stored
  bool reported = false;                         ///< input and items are in an event already
};

/// A filter of a task that listens, as it is found by events.
struct Subscription {
  std::uint32_t filter = 0;
  std::string_view type;          ///< empty: any
  std::uint64_t correlation = 0;  ///< 0: to be looked at
};

/// How an instance ended that another one has run: its output, or its error.
struct Returned {
  bool ok = false;
  json::Value value;
};

/// How often a call task has run; numbers its effects.
struct TaskRuns {
  TaskIndex task = no_task;  ///< no_task: of versions so far, one that this version does not have
  std::uint32_t runs = 0;
};

/// An outcome and the effect that it belongs to.
struct Arrival {
  shard::EffectPlace effect;
  shard::Outcome outcome;
};

/// A completed task that can be undone.
struct Completed {
  TaskIndex compensation = no_task;  ///< the task that undoes it
  json::Value input;                 ///< what it saw
  json::Value output;
};

/// How the instance ends when its completed tasks are undone.
struct Compensating {
  bool is_cancelled = false;           ///< else it has faulted
  std::optional<json::Value> error{};  ///< why, where it has faulted
  std::string reason{};                ///< of who cancelled it
  std::vector<std::string>
      failed{};                ///< references of tasks that could not be undone; the first compensations_named_max
  std::uint32_t failures = 0;  ///< all of them
};

/// The earlier of two times; 0 = none.
[[nodiscard]] constexpr std::int64_t first_of(std::int64_t one_ns, std::int64_t other_ns) noexcept {
  return one_ns == 0 || (other_ns != 0 && other_ns < one_ns) ? other_ns : one_ns;
}

/// Numbers the branches of an instance in the order of their making.
using BranchId = std::uint32_t;
/// The one that an instance begins with.
inline constexpr BranchId root_branch = 0;
/// Of an instance, those that have ended too.
inline constexpr BranchId branches_max = 100'000;

/// One strand of an instance: the scopes that it is inside of, and what comes next. The root is there from start to
/// end, others from the fork that makes them until that fork ends.
struct Branch {
  BranchId parent = root_branch;                  ///< the branch that forked
  TaskIndex fork = no_task;                       ///< the task of whose branches this is one; no_task: this is the root
  std::uint32_t place = 0;                        ///< among the fork's branches
  std::int64_t due_ns = 0;                        ///< goes on not before this time; 0 = no timer
  TaskIndex next = no_task;                       ///< no_task: the innermost scope has ended
  std::vector<Frame> frames;                      ///< outermost first
  json::Value data;                               ///< what the next task gets; the output once ended
  bool is_read = true;                            ///< false: the tables have `data`, and it was not read yet
  bool has_context = false;                       ///< something was exported here; else it sees its parent's context
  std::optional<json::Value> error{};             ///< raised and not handled yet; the reason once faulted
  std::optional<shard::EffectPlace> waits_for{};  ///< the effect of the call that it is in, once that is recorded
  std::optional<Arrival> outcome{};               ///< arrived with this decision for that call; never stored
  std::optional<json::Value> heard{};             ///< what its task has consumed, with what this decision brought
  std::optional<Returned> returned{};             ///< came with this decision for the run that it is in; never stored
  std::optional<json::Value> context{};           ///< what expressions see; absent where it was not read yet
  std::optional<json::Value> joined_context{};    ///< of its fork, which ends; never stored
  std::size_t frames_known = 0;                   ///< frames, from the outermost, that events have reported
  bool data_known = true;                         ///< whether events have reported `data`
  std::optional<std::size_t> requested_event{};   ///< place of the call's event among those of this decision

  /// Of the task inside of which it is that times out first; 0 = none does.
  [[nodiscard]] std::int64_t deadline_ns() const noexcept {
    std::int64_t first_ns = 0;
    for (const Frame& frame : frames) {
      first_ns = first_of(first_ns, first_of(frame.deadline_ns, frame.attempt_deadline_ns));
    }
    return first_ns;
  }
  /// Of one of its frames.
  [[nodiscard]] std::size_t depth_of(const Frame& frame) const {
    TRV_EXPECTS(&frame >= frames.data() && &frame < frames.data() + frames.size());
    return static_cast<std::size_t>(&frame - frames.data());
  }
  /// Whether it has nothing left to do. The root has not ended before its instance.
  [[nodiscard]] bool has_ended() const noexcept {
    return fork != no_task && frames.empty() && next == no_task && !error;
  }
};

struct State {
  Status status = Status::running;  ///< never suspended
  bool is_suspended = false;        ///< no task begins and no timer is due; what tasks wait for may come
  std::uint64_t steps = 0;
  std::int64_t deadline_ns = 0;         ///< times out at this time; 0 = it does not
  BranchId branches_made = 0;           ///< besides the root
  std::map<BranchId, Branch> branches;  ///< with the root
  std::vector<TaskRuns> runs;
  std::uint32_t compensable = 0;               ///< completed tasks that can be undone and that the tables have
  std::vector<Completed> completed;            ///< the same that this decision has brought
  std::optional<Compensating> compensating{};  ///< they are undone, and then it ends
  std::uint32_t chain = 0;                     ///< how many events of workflows have led to each other until its start

  State() { branches.try_emplace(root_branch); }
  [[nodiscard]] Branch& root() { return branches.begin()->second; }
  [[nodiscard]] const Branch& root() const { return branches.begin()->second; }
};

/// What an instance is found by besides its id.
struct Names {
  std::string key{};                       ///< of its business, given at its start; empty: none
  std::vector<std::string> correlation{};  ///< name=value of the event that starts it
};
/// Most bytes of a key and of one correlation.
inline constexpr std::size_t name_bytes_max = 200;

/// `trv.task.*` and `trv.instance.*` are in streams of this kind.
inline constexpr std::string_view instance_stream = "instance";
inline constexpr std::string_view workflow_stream = "workflow";
/// A trigger that begins so starts at most one instance of its tenant, however often it is asked.
inline constexpr std::string_view start_key_trigger = "key:";

/// Longer timeouts of tasks and workflows are cut.
inline constexpr base::Duration timeout_max = std::chrono::hours(24 * 366 * 100);
/// Most bytes of a task's output, an input, a context or an effect's input, as JSON.
inline constexpr std::size_t data_bytes_max = 256 * 1024;
/// Of an event; below the limit of a record by what surrounds the payload.
inline constexpr std::size_t payload_bytes_max = 950'000;
inline constexpr std::uint32_t steps_per_decision_max = 1'000;
/// Fuel of all expressions that one decision evaluates; see docs/decisions/0013.
inline constexpr std::uint64_t fuel_per_decision_max = 5'000'000;
/// Of the event filter of one workflow: a decision's fuel in equal parts for the filters and events of a request.
inline constexpr std::uint64_t fuel_per_filter_max = 1'000'000;
inline constexpr std::uint64_t fuel_per_filter_min = 20'000;
/// Of the filter of one task that listens, for one event.
inline constexpr std::uint64_t fuel_per_listener_max = 100'000;
/// Of the filters that instances are asked about for one event: an event that needs more is refused, for it would hold
/// the shard for too long.
inline constexpr std::uint64_t fuel_per_listeners_max = 10'000'000;
/// With less than that left a decision yields, so that each task can have as much.
inline constexpr std::uint64_t fuel_per_task_max = 4'000'000;
/// After events of so many bytes a decision yields as it does after its last step.
inline constexpr std::size_t event_bytes_per_decision_max = 16 * 1024 * 1024;
/// An event that is further down a chain of events of workflows starts nothing.
inline constexpr std::uint32_t event_chain_max = 100;
/// An instance that has run for longer than this when it emits an event begins a chain anew.
inline constexpr base::Duration event_chain_link_max = std::chrono::minutes(1);
inline constexpr std::uint64_t steps_per_instance_max = 1'000'000;
/// Of the tasks that could not be undone.
inline constexpr std::size_t compensations_named_max = 100;

}  // namespace trv::instance
