#pragma once
// Bugs that can be planted into a simulation, to prove that its checks find them.

#include <cstdint>

namespace trv::simulation {

enum class Bug : std::uint8_t {
  none,
  torn_decision_is_read,   ///< readers give the records of a decision before its end has come
  durable_append_denied,   ///< now and then a batch is durable and its commands are answered that nothing was changed
  effect_before_durable,   ///< effects are handed out when they are projected
  effect_performed_again,  ///< an effect whose outcome could not be recorded is performed again
  effects_outlive_their_instance,  ///< cancelling an instance leaves its effects in the outbox
  decision_reads_the_clock,        ///< decisions take the time from the clock, not from their shard
  running_instance_is_forgotten,   ///< retention takes an instance that is under way
  undoing_is_forgotten,            ///< an instance is to undo what its tasks have done, and nothing begins to
  what_became_due_is_lost,         ///< an instance that goes on drops what became due while it was suspended
  retry_goes_nowhere,              ///< an instance that is retried is restored, and none of its tasks begins
  // Of several nodes.
  acknowledged_before_settled,  ///< commands are answered before the log has settled their batch
  no_void_rule,                 ///< standbys apply what a former owner appended behind the claim of the next one
  applied_before_appended,      ///< a batch is in the projection before the log takes it
  effect_key_reused,            ///< a task that runs again asks for its effect by the key of its first run
  standby_answers_writes        ///< a node that does not own a shard decides and answers by itself
};

}  // namespace trv::simulation
