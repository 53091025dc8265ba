// What a shard does with the commands of a batch: decide, project, append, settle, commit, answer.

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "kernel/shard/shard_processor.hpp"
#include "sdk/base/contract.hpp"

namespace trv::shard {
namespace {

using base::ErrorCode;
using base::fail;

/// What a command still lacks after so many preparations its decision makes itself.
constexpr std::uint32_t preparations_max = 128;
constexpr std::string_view not_known =
    "it is not known whether this took effect; repeat it with the same Idempotency-Key";

bool puts_into_outbox(const record::Draft& event) {
  return event.type == effect_requested_type || event.type == effect_released_type;
}

}  // namespace

/// One command of a batch and what became of it.
struct ShardProcessor::Pending {
  Command command;
  base::Result<Applied> outcome = Applied{};
  Preparation preparation{};  ///< what the decision lacks; empty where it lacks nothing
};

/// What is committed together.
struct ShardProcessor::Batch {
  /// Handed to the log, which has not settled it.
  struct UnderWay {
    log::Ticket ticket;
    std::size_t commands;  ///< of the batch, from the first, whose records are in it or before it
  };

  std::vector<Pending> commands;
  log::Batch records;  ///< that the log was not handed yet
  std::vector<UnderWay> under_way;
  std::size_t bytes_under_way = 0;
  EffectChanges effects;
  log::Lsn next;             ///< of the next record
  base::Digest last_hash{};  ///< of the record before it
  std::size_t decided = 0;   ///< of `commands`; the others wait for the next batch

  void refuse(std::size_t begin, std::size_t end, const base::Error& error) {
    for (std::size_t i = begin; i < end; ++i) commands[i].outcome = fail(error);
  }
  [[nodiscard]] std::uint64_t refused() const {
    return static_cast<std::uint64_t>(
        std::ranges::count_if(commands, [](const Pending& one) { return !one.outcome && !one.preparation; }));
  }
};

/// What the log says of the appends of a batch.
struct ShardProcessor::Fate {
  std::size_t commands = 0;                          ///< of the batch, from the first, whose records it took
  log::Settled taken;                                ///< the last that it took, where there are such commands
  std::optional<base::Result<log::Settled>> failed;  ///< the first that it did not take
};

void ShardProcessor::serve(std::deque<Command> commands) {
  if (!claim_) {
    if (const auto owned = take_ownership({}); !owned) {
      const base::Error error = storage_failed(owned.error());
      for (Command& command : commands) command.done(fail(error));
      if (owned.error().code() == ErrorCode::lost || is_outdated_) lose();
      return;
    }
    // Also what is projected only now: it was appended before the claim.
    if (listeners_.committed) listeners_.committed(projection_.applied().lsn);
  }
  lack_.reset();
  if (listeners_.room) {
    if (const base::Status room = listeners_.room(); !room) lack_ = room.error();
  }
  auto timers = due_timers();
  const std::size_t timer_count = timers ? timers->size() : 0;
  std::size_t fired = 0;
  // Behind the commands: a tenant whose instances always have more to do delays the others by one batch.
  if (timers) std::move(timers->begin(), timers->end(), std::back_inserter(commands));
  // A batch that cannot be applied is undone and taken apart, so that one command fails no other.
  std::size_t together = commands.size();
  failed_ = false;
  while (!commands.empty()) {
    Batch batch;
    const std::size_t count = std::min(together, commands.size());
    batch.commands.reserve(count);
    batch.effects.requested.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      batch.commands.push_back({.command = std::move(commands.front())});
      commands.pop_front();
    }
    if (!claim_) {
      refuse_all(batch, base::Error(ErrorCode::unavailable, std::string(is_elsewhere)));
      continue;
    }
    batch.next = claim_->next;
    batch.last_hash = claim_->last_hash;
    auto txn = projection_.begin();
    if (!txn) {
      refuse_all(batch, storage_failed(txn.error()));
      continue;
    }
    const base::Status applied = attempt(batch, *txn);
    if (!applied && batch.commands.size() == 1) {
      txn->txn().abort();
      refuse_all(batch, storage_failed(applied.error()));
      continue;
    }
    if (!applied) {
      batch.decided = batch.under_way.empty() ? 0 : batch.under_way.back().commands;
      together = 1;
    }
    const std::size_t timers_before = std::min(timer_count, commands.size() + batch.commands.size());
    while (batch.commands.size() > batch.decided) {
      commands.push_front(std::move(batch.commands.back().command));
      batch.commands.pop_back();
    }
    fired += timers_before - std::min(timer_count, commands.size());
    publish(batch, *std::move(txn), applied.has_value());
    answer(batch);
    // The timers that are left are in the projection, and commands have come meanwhile.
    if (fired > 0 && together > 1) commands.clear();
  }
  if (fired > 0) {
    const std::scoped_lock lock(mutex_);
    metrics_.timers_fired += fired;
  }
  look_at_timers();
}

base::Status ShardProcessor::attempt(Batch& batch, projection::ProjectionTxn& txn) {
  const base::Duration began = clock_.monotonic();
  for (Pending& pending : batch.commands) {
    const bool is_full = batch.bytes_under_way + batch.records.bytes() >= options_.batch_bytes_max ||
                         clock_.monotonic() - began >= options_.batch_time_max;
    if (batch.decided > 0 && is_full) break;
    TRV_TRY(decide(pending, batch, txn));
    ++batch.decided;
    if (batch.records.bytes() >= options_.append_bytes) TRV_TRY(hand_over(batch, txn));
  }
  TRV_ENSURES(batch.decided > 0);
  return hand_over(batch, txn);
}

// What the log has it can be made to project: what cannot be projected is refused before.
base::Status ShardProcessor::hand_over(Batch& batch, projection::ProjectionTxn& txn) {
  if (batch.records.empty()) return {};
  TRV_TRY(projection_.seal(txn));
  batch.bytes_under_way += batch.records.bytes();
  const auto ticket = log_.append(*claim_, std::exchange(batch.records, {}));
  if (!ticket) {
    step_down();
    return fail(ticket.error());
  }
  batch.under_way.emplace_back(*ticket, batch.decided);
  return {};
}

// A refusal is the command's outcome; an error returned here is the batch's.
base::Status ShardProcessor::decide(Pending& pending, Batch& batch, projection::ProjectionTxn& txn) {
  Command& command = pending.command;
  if (lack_ && !command.frees_room) {
    pending.outcome = fail(base::Error(*lack_).in("nothing was changed"));
    return {};
  }
  if (listeners_.check_here && !command.moves_tenant) {
    if (base::Status here = listeners_.check_here(txn.txn(), command.tenant); !here) {
      pending.outcome = fail(std::move(here).error());
      return {};
    }
  }
  DecisionContext context{.tenant = command.tenant,
                          .actor = command.actor,
                          .now = now(),
                          .ids = ids_,
                          .causation_id = command.causation_id,
                          .correlation_id = command.correlation_id,
                          .traceparent = command.traceparent};
  if (listeners_.prepare && command.preparations < preparations_max) context.prepare = &pending.preparation;
  base::Result<Decision> decision = command.decide(txn.txn(), context);
  if (!decision) {
    pending.outcome = fail(std::move(decision).error());
    return {};
  }
  // What was decided without it is decided, and must not be decided again once it is there.
  pending.preparation = {};
  if (!decision->events.empty()) decision->events.back().decision_end = true;
  // Whole before any of it is applied: what cannot be stored is refused alone.
  const std::size_t begin = batch.records.size();
  if (base::Status encoded = encode(*decision, batch); !encoded) {
    batch.records.drop_undecided();
    pending.outcome = fail(std::move(encoded).error());
    return {};
  }
  Applied applied{.first = batch.next, .last = log::Lsn(batch.next.value() - 1)};
  for (std::size_t i = begin; i < batch.records.size(); ++i) {
    TRV_TRY(projection_.apply(txn, batch.records.view(i), hashes_[i - begin]));
    batch.last_hash = hashes_[i - begin];
    applied.last = batch.next;
    batch.next = batch.next.next();
  }
  // An effect that its decision does not name would wait for the next start.
  TRV_ASSERT(std::ranges::count_if(decision->events, puts_into_outbox) == std::ssize(decision->effects));
  for (RequestedEffect& requested : decision->effects) {
    TRV_ASSERT(requested.event < decision->events.size());
    requested.effect.position = log::Lsn(applied.first.value() + requested.event);
    batch.effects.requested.push_back(std::move(requested.effect));
  }
  std::ranges::copy(decision->cancelled, std::back_inserter(batch.effects.cancelled));
  pending.outcome = applied;
  return {};
}

base::Status ShardProcessor::encode(const Decision& decision, Batch& batch) {
  hashes_.clear();
  log::Lsn lsn = batch.next;
  const std::size_t before = batch.records.bytes();
  for (const record::Draft& event : decision.events) {
    auto encoded = encoder_.encode(event, {.shard = options_.shard,
                                           .lsn = lsn,
                                           .epoch = claim_->epoch,
                                           .prev_hash = hashes_.empty() ? batch.last_hash : hashes_.back()});
    if (!encoded) return fail(std::move(encoded).error().in(event.type));
    if (batch.records.bytes() - before + record::aligned_size(encoded->stored().size()) > record::decision_bytes_max) {
      return fail(ErrorCode::too_large,
                  fmt::format("the events of this request have more than {} bytes together; send less in one request",
                              record::decision_bytes_max));
    }
    batch.records.add(*encoded);
    hashes_.push_back(record::hash_of(encoded->stored()));
    lsn = lsn.next();
  }
  TRV_ENSURES(hashes_.size() == decision.events.size());
  return {};
}

// Commits what the log took. Where that is not the whole of the transaction, the transaction is undone, and what the
// log took of it is projected again, from the log.
void ShardProcessor::publish(Batch& batch, projection::ProjectionTxn txn, bool is_whole) {
  if (batch.under_way.empty()) return;
  const Fate fate = settle(batch);
  base::Status projected;
  if (is_whole && !fate.failed) {
    TRV_ASSERT(fate.taken.last.next() == batch.next);
    projected = projection_.commit(std::move(txn), fate.taken.position);
  } else {
    txn.txn().abort();
    failed_ = true;
    if (fate.failed) batch.refuse(fate.commands, batch.commands.size(), refusal_of(*fate.failed));
    if (fate.commands == 0) return;
    batch.effects = {};  // taken_over() says where they are
    projected = project_again(fate.taken.last);
  }
  if (!projected) {
    // The log leads: what it took is true. The projection catches up from it when the shard is taken over again.
    failed_ = true;
    batch.refuse(0, fate.commands, outcome_unknown(projected.error()));
    return;
  }
  const log::Lsn before = std::exchange(claim_->next, projection_.applied().lsn.next());
  claim_->last_hash = projection_.applied().last_hash;
  {
    const std::scoped_lock lock(mutex_);
    ++metrics_.batches;
    metrics_.appends += batch.under_way.size();
    metrics_.records += claim_->next.value() - before.value();
    metrics_.applied_lsn = projection_.applied().lsn.value();
  }
  const bool has_effects = !batch.effects.requested.empty() || !batch.effects.cancelled.empty();
  if (has_effects && listeners_.effects) listeners_.effects(std::move(batch.effects));
  if (listeners_.committed) listeners_.committed(projection_.applied().lsn);
}

ShardProcessor::Fate ShardProcessor::settle(const Batch& batch) {
  // From the last: an engine stores together what waits.
  std::vector<base::Result<log::Settled>> outcomes;
  for (const auto& one : std::views::reverse(batch.under_way)) outcomes.push_back(log_.settle(one.ticket));
  Fate fate;
  for (const auto& one : batch.under_way) {
    base::Result<log::Settled> outcome = std::move(outcomes.back());
    outcomes.pop_back();
    if (!outcome || outcome->outcome == log::Outcome::lost) {
      fate.failed = std::move(outcome);
      return fate;
    }
    fate.commands = one.commands;
    fate.taken = *std::move(outcome);
  }
  return fate;
}

base::Error ShardProcessor::refusal_of(const base::Result<log::Settled>& failed) {
  if (failed) {
    lose();
    return storage_failed(
        base::Error(ErrorCode::lost,
                    "another node owns this shard now; nothing was changed; repeat it with the same Idempotency-Key"));
  }
  if (failed.error().code() == ErrorCode::exhausted) return storage_failed(failed.error());
  return outcome_unknown(failed.error());
}

base::Error ShardProcessor::outcome_unknown(const base::Error& cause) {
  step_down();
  (void)storage_failed(cause);
  return {ErrorCode::lost, std::string(not_known)};
}

base::Status ShardProcessor::project_again(log::Lsn last) {
  if (!claim_) return fail(ErrorCode::lost, "the shard was lost before all of its batch was settled");
  TRV_TRY(projection_.catch_up_to(log_, last));
  if (listeners_.taken_over) listeners_.taken_over();
  return {};
}

void ShardProcessor::answer(Batch& batch) {
  {
    const std::scoped_lock lock(mutex_);
    metrics_.commands += batch.commands.size();
    metrics_.refused += batch.refused();
  }
  for (Pending& pending : batch.commands) {
    // A timer that its decision leaves must not take every turn of the shard.
    if (pending.command.timer) set_again_.insert_or_assign(*pending.command.timer, now_ + retry_wait);
    if (pending.preparation) {
      ++pending.command.preparations;
      listeners_.prepare(std::move(pending.command), std::move(pending.preparation));
    } else {
      pending.command.done(pending.outcome);
    }
  }
}

void ShardProcessor::refuse_all(Batch& batch, const base::Error& error) {
  batch.refuse(0, batch.commands.size(), error);
  answer(batch);
}

}  // namespace trv::shard
