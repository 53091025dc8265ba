#pragma once
// What an event says of a task of an instance, whatever its type. Pure; any thread.

#include <optional>
#include <string>
#include <string_view>

#include "events/record/record.hpp"
#include "kernel/workflow/instance/state.hpp"

namespace trv::schema::workflow {
struct Continuation;
}

namespace trv::instance {

/// The texts borrow from the event; an absent one is nullopt.
struct TaskEvent {
  std::string_view outcome;  ///< started, waiting, listening, heard, processed, running, forked, compensating,
                             ///< completed, skipped, faulted or retried
  TaskIndex index = no_task;
  std::string_view reference{};
  std::string_view kind{};
  std::string operation{};  ///< of a call that starts: <plugin>.<operation>:<version>, or the HTTP method
  std::uint32_t attempt = 0;
  std::uint32_t tries = 0;      ///< of a call that ends
  std::int64_t started_ns = 0;  ///< 0: the event's time
  std::optional<std::string_view> input{};
  std::optional<std::string_view> output{};
  std::optional<std::string_view> context{};
  std::optional<std::string_view> error{};
  std::string_view child{};                     ///< the instance that the task runs
  std::optional<std::string_view> heard{};      ///< the event that was consumed
  std::optional<std::string_view> processed{};  ///< the output of an event, with foreach
  bool is_aside = false;             ///< it changes a task that the branch is inside of, and not where the branch is
  TaskIndex compensation = no_task;  ///< what undoes the task that has completed
  std::optional<std::string_view> seen{};  ///< by that task
  const schema::workflow::Continuation* continuation = nullptr;
};

/// The branch that the event moves.
[[nodiscard]] BranchId branch_of(const TaskEvent& event);

/// The kind of a task that an event does not name.
inline constexpr std::string_view call_kind = "call";

/// The last part of a reference.
[[nodiscard]] std::string name_in(std::string_view reference);

/// The reference of the task that is undone, from that of its compensation.
[[nodiscard]] std::string compensated_by(std::string_view reference);

/// nullopt for an event that moves no task. Error: corrupt.
[[nodiscard]] base::Result<std::optional<TaskEvent>> task_event_in(const record::RecordView& event);

}  // namespace trv::instance
