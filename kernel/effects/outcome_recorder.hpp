#pragma once
// How effects come back into the log: commands of their shard.

#include <functional>
#include <memory>
#include <string_view>

#include "kernel/effects/effect_dispatcher.hpp"
#include "kernel/shard/command.hpp"
#include "kernel/workflow/instance/decisions.hpp"

namespace trv::effects {

/// The ports `settle` and `park` of a dispatcher. Any thread.
class OutcomeRecorder {
 public:
  using Submit = std::function<void(shard::Command)>;
  /// What `workflows` refers to, and what `submit` calls, outlive the recorder and its commands.
  OutcomeRecorder(instance::Workflows workflows, Submit submit);

  /// Reports success where the outcome is recorded, was known before, or nobody waits for it any more.
  void settle(const shard::Effect& effect, std::shared_ptr<const shard::Outcome> outcome,
              DispatcherPorts::Recorded done) const;
  void park(const shard::Effect& effect, std::uint32_t deaths, DispatcherPorts::Recorded done) const;

 private:
  instance::Workflows workflows_;
  Submit submit_;
};

/// Puts a parked effect back into the outbox; its tries and its time begin anew. Error: not_found.
[[nodiscard]] base::Result<shard::Decision> release(const lmdb::Txn& txn, const shard::DecisionContext& context,
                                                    const shard::Outbox& outbox, std::string_view id);

}  // namespace trv::effects
