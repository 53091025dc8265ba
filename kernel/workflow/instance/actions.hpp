#pragma once
// What an operator does to an instance. Pure functions as those in decisions.hpp; the actor is in the records' headers.

#include <optional>
#include <string>
#include <string_view>

#include "kernel/workflow/instance/decisions.hpp"
#include "kernel/workflow/instance/history.hpp"

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

}  // namespace trv::instance
