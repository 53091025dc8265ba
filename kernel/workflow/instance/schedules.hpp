#pragma once
// What schedules decide: which times have come, when a run's end makes the next one due, and which events make up a
// start. Pure; on the shard's thread, within the command's decision.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/workflow/instance/decisions.hpp"
#include "kernel/workflow/instance/execution.hpp"

namespace trv::instance {

/// What the trigger of an instance begins with that a schedule has started; the time follows, as RFC 3339.
inline constexpr std::string_view schedule_trigger = "schedule:";
/// Of one workflow: events that wait for others.
inline constexpr std::uint64_t gathered_max = 10'000;
inline constexpr std::uint64_t gathered_bytes_max = 64 * 1024 * 1024;

/// When a definition that is applied now starts by itself for the first time; 0 = not, or the end of a run decides it.
[[nodiscard]] base::Result<std::int64_t> first_due(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                   Workflows workflows, const definition::Definition& definition);

/// A timer of the workflow `namespace/name` is due. No events where it is not (any more). Error: as ready().
[[nodiscard]] base::Result<shard::Decision> fire_schedule(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                          Workflows workflows, std::string_view workflow);

/// An instance has ended: where its schedule counts from there, the next time is decided.
[[nodiscard]] base::Status schedule_after(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                          Workflows workflows, const definition::Name& definition,
                                          const InstanceId& instance, std::string_view trigger,
                                          shard::Decision& decision);

/// Whether the event passes the filter and agrees with what its correlations expect. Error: of an expression.
[[nodiscard]] base::Result<bool> passes(const definition::ListenFilter& filter, const json::Value& event,
                                        base::Timestamp now);

/// What an instance is found by that the event starts: see Names. Values that are missing or too long are left out.
[[nodiscard]] std::vector<std::string> correlation_names(const definition::ListenFilter& filter,
                                                         const json::Value& event, base::Timestamp now);

/// What became of an event of a schedule with `all`, or with `any` and `until`.
struct Gathered {
  std::string failure{};                   ///< why it cannot wait; empty: it can
  std::vector<record::Draft> events{};     ///< it waits, or the last one has come; none where no filter lets it pass
  std::vector<json::Value> joined{};       ///< for each filter one, or all so far: they start `instance`
  std::vector<std::string> correlation{};  ///< see Names; where they do
};
/// `object`: all of the event; `kept`: as an input has it.
[[nodiscard]] base::Result<Gathered> gather(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                            Workflows workflows, const definition::Definition& definition,
                                            const json::Value& object, const json::Value& kept,
                                            const InstanceId& instance);

}  // namespace trv::instance
