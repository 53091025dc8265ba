#pragma once
// What an operator does to an instance. Pure functions as those in decisions.hpp; the actor is in the records' headers.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/workflow/instance/decisions.hpp"
#include "kernel/workflow/instance/history.hpp"
#include "kernel/workflow/instance/restore.hpp"

namespace trv::instance {

struct Acted {
  shard::Decision decision;
  Status status = Status::running;  ///< of the instance after it
};

/// Cancels its effects too. Errors: not_found; conflict where the instance has ended.
[[nodiscard]] base::Result<Acted> cancel(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                         Workflows workflows, const InstanceId& instance, std::string_view reason);

/// The same, but what its completed tasks have done is undone first, in the background where that takes long; until its
/// end it is `compensating`. Error: conflict also where it does that already.
[[nodiscard]] base::Result<Acted> cancel_and_compensate(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                        Workflows workflows, const InstanceId& instance,
                                                        std::string_view reason);

/// From here on no task begins and no timer is due. Calls under way go on, and their outcomes, events and ends of other
/// workflows are taken; time goes on too. Errors: not_found; conflict where the instance has ended or is suspended.
[[nodiscard]] base::Result<Acted> suspend(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                          Workflows workflows, const InstanceId& instance, std::string_view reason);

/// Goes on, also with what became due meanwhile. Errors: not_found; conflict where the instance is not suspended.
[[nodiscard]] base::Result<Acted> resume(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                         Workflows workflows, const InstanceId& instance, std::string_view reason);

/// How an instance goes on that has faulted.
struct Retry {
  bool skips = false;                 ///< not with the task that failed, but with what follows it
  std::optional<json::Value> data{};  ///< the task's input in place of the one that it had; of a skipped one the output
  std::string version{};              ///< of the definition from here on; empty: the same
  std::string reason{};
};

/// The instance goes on from before the task that failed, on every branch that it had then: calls that were cancelled
/// or failed are made again, with new keys. `past` is what before_failure() said. Errors: not_found; conflict where
/// something came since, where the other version lacks a task, or where what failed cannot be skipped; too_large for a
/// state that no record can hold.
[[nodiscard]] base::Result<Acted> retry(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                        Workflows workflows, const InstanceId& instance, const Past& past,
                                        const Retry& command);

/// The same, and the task that is about to begin gets this. Errors: conflict also where there is none, or more than
/// one.
[[nodiscard]] base::Result<Acted> resume_with(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                              Workflows workflows, const InstanceId& instance, std::string_view reason,
                                              const std::optional<json::Value>& input);

/// What the trigger of an instance begins with that goes on from the state of another; its id follows.
inline constexpr std::string_view fork_trigger = "fork:";

struct Fork {
  std::optional<json::Value> input{};  ///< of the task that is about to begin, in place of the one that it had
  std::string version{};               ///< of the definition from here on; empty: the same
  std::string reason{};
};
struct Forked {
  shard::Decision decision;
  InstanceId instance;
  definition::Name definition;
  Status status = Status::running;
};
/// A new instance goes on from where the other one was. What waited for an outcome, an event or another workflow begins
/// its task anew, with keys of the new instance; a wait for a time ends when it would have. The origin's record says
/// so, and its state does not change. `past` is what behind() said. Errors: not_found; conflict where it had ended
/// then, where an error was on its way, where its workflow is disabled or deleted, or for the input or version;
/// too_large as for retry().
[[nodiscard]] base::Result<Forked> fork(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                        Workflows workflows, const InstanceId& origin, const Past& past,
                                        const Fork& command);

struct Signalled {
  shard::Decision decision;
  Status status = Status::running;
  std::vector<std::string> heard;  ///< references of the tasks that consumed it
};
/// A CloudEvent for this instance alone, which is in its records. Errors: not_found; conflict where it has ended, or
/// nothing of it listens for such an event; invalid or too_large for its data.
[[nodiscard]] base::Result<Signalled> signal(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                             Workflows workflows, const InstanceId& instance,
                                             const ReceivedEvent& event, std::string_view reason);

struct Migrate {
  std::string version{};
  std::vector<TaskMapping> mapping{};
  std::string reason{};
  bool is_dry_run = false;  ///< nothing changes, and problems are not an error
};
struct Migrated {
  shard::Decision decision;
  Status status = Status::running;
  std::string from;  ///< the versions
  std::string to;
  std::vector<MappedTask> tasks;      ///< that it is in the middle of
  std::vector<std::string> problems;  ///< of a dry run
};
/// A running or suspended instance goes on in another version. What it waits for stays: calls with their keys, timers,
/// what tasks listen for, and workflows that they run; so does its data. Errors: not_found; conflict where it has
/// ended, or with all that does not fit.
[[nodiscard]] base::Result<Migrated> migrate(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                             Workflows workflows, const InstanceId& instance, const Migrate& command);

/// As lists show it.
[[nodiscard]] Status shown_status(const State& state);
/// Error: conflict where it has ended.
[[nodiscard]] base::Status still_runs(const InstanceId& instance, const State& state);
/// The branch whose next task begins when it goes on; `preferred` where that has one. Error: conflict where there is
/// none, or more than one.
[[nodiscard]] base::Result<BranchId> about_to_begin(const State& state, const definition::Definition& definition,
                                                    BranchId preferred);

}  // namespace trv::instance
