#pragma once
// Forgetting what has ended: instances with their steps and start keys, the outcomes of their effects, and the ids of
// events that were taken. How long each is kept is the tenant's setting. What is forgotten stays in the log and in the
// audit trail; only the projection loses it.
//
// A timer of the tenant leads to a decision; its event, trv.retention.applied, names what is forgotten, and the
// projectors that hold it erase it. So replay forgets the same at the same place.

#include <string_view>

#include "events/projection/projector.hpp"
#include "kernel/ingest/ingest_store.hpp"
#include "kernel/shard/command.hpp"
#include "kernel/shard/timers.hpp"
#include "kernel/tenancy/tenancy_store.hpp"
#include "kernel/workflow/instance/store.hpp"

namespace trv::retention {

/// Of each kind, in one decision.
inline constexpr std::size_t forgotten_at_once_max = 500;
/// The owner of the timers.
inline constexpr std::string_view timer_owner = "retention";

/// Sets the timers. The shard's thread; comes behind the stores whose rows are forgotten.
class RetentionProjector final : public projection::Projector {
 public:
  explicit RetentionProjector(const shard::Timers& timers) : timers_(timers) {}

  [[nodiscard]] std::string_view name() const override { return "retention"; }
  [[nodiscard]] std::uint32_t layout_version() const override { return 1; }
  [[nodiscard]] base::Status open(lmdb::WriteTxn& txn) override;
  [[nodiscard]] base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& event) override;

 private:
  [[nodiscard]] base::Status set(lmdb::WriteTxn& txn, std::string_view tenant, std::int64_t due_ns);

  const shard::Timers& timers_;
  lmdb::Table due_;  ///< tenant → when its timer is due
};

/// A tenant's timer is due: what is forgotten now, and when to look again.
[[nodiscard]] base::Result<shard::Decision> forget(const lmdb::Txn& state, const shard::DecisionContext& context,
                                                   const tenancy::TenancyStore& tenancy,
                                                   const instance::Tables& workflows,
                                                   const ingest::IngestStore& ingest);
/// The command that such a timer means; `done` is left to the caller. The stores outlive it.
[[nodiscard]] shard::Command timer_command(const shard::Timer& timer, const tenancy::TenancyStore& tenancy,
                                           const instance::Tables& workflows, const ingest::IngestStore& ingest);

}  // namespace trv::retention
