#include "kernel/shard/shard_processor.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sdk/base/contract.hpp"

namespace trv::shard {
namespace {

using base::ErrorCode;
using base::fail;

constexpr std::size_t timers_per_batch_max = 1024;
/// What a command still lacks after so many preparations its decision makes itself.
constexpr std::uint32_t preparations_max = 128;
constexpr auto retry_wait = std::chrono::seconds(1);
constexpr std::string_view is_stopping = "travd is stopping; ask again in a moment";
constexpr std::string_view not_known = "it is not known whether this took effect; ask again with the same keys";
/// How long a shard is not ready after a batch for which there was no room.
constexpr auto full_wait = std::chrono::seconds(5);
constexpr std::string_view no_room =
    "the node has no room to store anything, or the disk or the brokers of its log fail; nothing was changed; try "
    "again "
    "later";

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
  std::vector<Pending> commands;
  log::Batch records;
  EffectChanges effects;
  log::Lsn next;             ///< of the next record
  base::Digest last_hash{};  ///< of the record before it
  std::size_t decided = 0;   ///< of `commands`; the others wait for the next batch

  [[nodiscard]] std::uint64_t refused() const {
    return static_cast<std::uint64_t>(
        std::ranges::count_if(commands, [](const Pending& one) { return !one.outcome && !one.preparation; }));
  }
};

ShardProcessor::ShardProcessor(ShardOptions options, log::EventLog& log, projection::Projection& projection,
                               Timers& timers, const base::Clock& clock, base::Random& random, ShardListeners listeners)
    : options_(std::move(options)),
      log_(log),
      projection_(projection),
      timers_(timers),
      clock_(clock),
      listeners_(std::move(listeners)),
      ids_(random),
      is_wanted_(options_.ownership == Ownership::sole) {
  TRV_EXPECTS(options_.batch_commands_max > 0 && options_.queue_commands_max > 0);
  TRV_EXPECTS(projection_.shard() == options_.shard);
}

ShardProcessor::~ShardProcessor() {
  stop();
}

base::Result<projection::CatchUp> ShardProcessor::start(const std::stop_token& stop) {
  TRV_EXPECTS(!thread_.joinable());
  TRV_TRY_ASSIGN(projection::CatchUp caught_up,
                 is_wanted_ ? take_ownership(stop) : projection_.catch_up(log_, progress(stop)));
  {
    const std::scoped_lock lock(mutex_);
    metrics_.applied_lsn = projection_.applied().lsn.value();
  }
  thread_ = std::thread([this] { run(); });
  return caught_up;
}

void ShardProcessor::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
    if (standby_) standby_->wake();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ShardProcessor::submit(Command command) {
  std::optional<base::Error> refusal;
  {
    const std::scoped_lock lock(mutex_);
    if (!stopping_ && is_wanted_ && queue_.size() < options_.queue_commands_max) {
      queue_.push_back(std::move(command));
      wake_.notify_one();
      return;
    }
    ++metrics_.refused;
    refusal = stopping_ ? base::Error(ErrorCode::unavailable, std::string(is_stopping))
              : !is_wanted_
                  ? base::Error(ErrorCode::unavailable, std::string(is_elsewhere))
                  : base::Error(ErrorCode::exhausted,
                                fmt::format("{} commands are waiting already; ask again in a moment", queue_.size()));
  }
  command.done(fail(*std::move(refusal)));
}

void ShardProcessor::poke() {
  {
    const std::scoped_lock lock(mutex_);
    poked_ = true;
  }
  wake_.notify_one();
}

ShardMetrics ShardProcessor::metrics() const {
  const std::scoped_lock lock(mutex_);
  ShardMetrics metrics = metrics_;
  metrics.queue_length = queue_.size();
  metrics.owner = owner_;
  return metrics;
}

bool ShardProcessor::ready() const {
  const std::scoped_lock lock(mutex_);
  return owner_ && !stopping_;
}

std::string ShardProcessor::why_not_ready() const {
  {
    const std::scoped_lock lock(mutex_);
    if (is_outdated_) return outdated_because_;
    if (!owner_ && metrics_.applied_lsn < metrics_.catch_up_lsn) {
      return fmt::format("shard {} catches up: {} of {} records are applied", options_.shard.value(),
                         metrics_.applied_lsn, metrics_.catch_up_lsn);
    }
    if (standby_ != nullptr) return "";
    if (clock_.monotonic() < full_until_) return std::string(no_room);
    if (!owner_ || stopping_) return "this process does not own its shard, or the log does not take appends";
  }
  if (!listeners_.room) return "";
  const base::Status room = listeners_.room();
  return room ? std::string() : room.error().message();
}

void ShardProcessor::run() {
  for (;;) {
    stand_by();
    std::deque<Command> commands;
    {
      std::unique_lock lock(mutex_);
      const auto something = [this] { return stopping_ || poked_ || !is_wanted_ || !queue_.empty(); };
      if (!claim_) {
        wake_.wait_for(lock, options_.claim_wait, something);
      } else if (next_timer_) {
        const base::Duration wait = *next_timer_ - now();
        wake_.wait_for(lock, std::clamp<base::Duration>(wait, base::Duration(0), std::chrono::seconds(1)), something);
      } else {
        wake_.wait(lock, something);
      }
      poked_ = false;
      if (stopping_) break;
      if (!is_wanted_) continue;
      const std::size_t count = std::min(queue_.size(), options_.batch_commands_max);
      if (count == queue_.size()) {
        commands.swap(queue_);
      } else {
        std::move(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count), std::back_inserter(commands));
        queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
      }
    }
    serve(std::move(commands));
  }
  refuse_waiting(std::string(is_stopping));
}

void ShardProcessor::refuse_waiting(const std::string& reason) {
  std::deque<Command> waiting;
  {
    const std::scoped_lock lock(mutex_);
    waiting.swap(queue_);
    owner_ = false;
  }
  for (Command& command : waiting) command.done(fail(ErrorCode::unavailable, reason));
}

// ready() says so with the answer of the command that found it out, not at the next claim.
void ShardProcessor::step_down() {
  claim_.reset();
  const std::scoped_lock lock(mutex_);
  owner_ = false;
}

projection::Progress ShardProcessor::progress(const std::stop_token& stop) {
  return [this, stop](log::Lsn applied, log::Lsn last) -> base::Status {
    const std::scoped_lock lock(mutex_);
    metrics_.applied_lsn = applied.value();
    metrics_.catch_up_lsn = last.value();
    if (!stop.stop_requested()) return {};
    return fail(ErrorCode::cancelled, fmt::format("the replay of shard {} was ended", options_.shard.value()));
  };
}

base::Result<projection::CatchUp> ShardProcessor::take_ownership(const std::stop_token& stop) {
  step_down();
  TRV_TRY_ASSIGN(log::Claim claim,
                 log_.claim(options_.shard, options_.node, ids_.next(now()), projection_.applied().position));
  const log::Lsn end(claim.next.value() - 1);
  const projection::Progress note = progress(stop);
  TRV_TRY(note(projection_.applied().lsn, end));
  TRV_TRY_ASSIGN(projection::CatchUp caught_up, projection_.catch_up_to(log_, end, note));
  TRV_ASSERT(projection_.applied().lsn.next() == claim.next);
  TRV_ASSERT(projection_.applied().last_hash == claim.last_hash);
  now_ = std::max(now(), projection_.applied().time);
  claim_ = claim;
  failed_ = false;
  {
    const std::scoped_lock lock(mutex_);
    owner_ = true;
    ++metrics_.claims;
    metrics_.applied_lsn = projection_.applied().lsn.value();
  }
  if (listeners_.claimed) listeners_.claimed(claim);
  if (listeners_.taken_over) listeners_.taken_over();
  look_at_timers();
  return caught_up;
}

// Time goes on where the clock was set back: nothing is decided before what was decided already, and no timer waits
// until the clock has caught up.
base::Timestamp ShardProcessor::now() {
  const base::Duration read_at = clock_.monotonic();
  const base::Duration elapsed = read_at - std::exchange(read_at_, read_at);
  TRV_ASSERT(elapsed >= base::Duration(0));
  now_ = std::max(clock_.now(), now_ + elapsed);
  return now_;
}

void ShardProcessor::look_at_timers() {
  const base::Status found = claim_ && !failed_ ? find_next_timer() : base::Status();
  if (!found && listeners_.failed) listeners_.failed(found.error());
  if (!claim_ || failed_ || !found) next_timer_ = now() + retry_wait;
}

base::Status ShardProcessor::find_next_timer() {
  next_timer_.reset();
  TRV_TRY_ASSIGN(const auto txn, projection_.begin_read());
  for (auto one = set_again_.begin(); one != set_again_.end();) {
    TRV_TRY_ASSIGN(const bool is_set, timers_.contains(txn, one->first));
    one = is_set && one->second > now_ ? std::next(one) : set_again_.erase(one);
  }
  TRV_TRY_ASSIGN(const auto earliest, timers_.due(txn, base::Timestamp(INT64_MAX), set_again_.size() + 1));
  const auto first = std::ranges::find_if(earliest, [this](const Timer& one) { return !set_again_.contains(one); });
  if (first != earliest.end()) next_timer_ = first->due;
  for (const auto& [timer, again] : set_again_) next_timer_ = std::min(next_timer_.value_or(again), again);
  return {};
}

base::Result<std::deque<Command>> ShardProcessor::due_timers() {
  std::deque<Command> commands;
  if (!next_timer_ || *next_timer_ > now()) return commands;
  TRV_TRY_ASSIGN(const auto txn, projection_.begin_read());
  TRV_TRY_ASSIGN(const auto due, timers_.due(txn, now_, timers_per_batch_max + set_again_.size()));
  for (const Timer& timer : due) {
    if (set_again_.contains(timer)) continue;
    Command command = listeners_.timer(timer);
    command.timer = timer;
    commands.push_back(std::move(command));
  }
  return commands;
}

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
    if (const auto applied = attempt(batch, *txn); !applied) {
      txn->txn().abort();
      if (batch.commands.size() == 1) {
        refuse_all(batch, storage_failed(applied.error()));
      } else {
        for (auto at = batch.commands.rbegin(); at != batch.commands.rend(); ++at)
          commands.push_front(std::move(at->command));
        together = 1;
      }
      continue;
    }
    const std::size_t timers_before = std::min(timer_count, commands.size() + batch.commands.size());
    while (batch.commands.size() > batch.decided) {
      commands.push_front(std::move(batch.commands.back().command));
      batch.commands.pop_back();
    }
    fired += timers_before - std::min(timer_count, commands.size());
    if (const auto published = publish(batch, *std::move(txn)); !published) {
      failed_ = true;
      refuse_all(batch, storage_failed(published.error()));
    } else {
      answer(batch);
    }
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
    const bool is_full =
        batch.records.bytes() >= options_.batch_bytes_max || clock_.monotonic() - began >= options_.batch_time_max;
    if (batch.decided > 0 && is_full) break;
    TRV_TRY(decide(pending, batch, txn));
    ++batch.decided;
  }
  TRV_ENSURES(batch.decided > 0);
  return batch.records.empty() ? base::Status() : projection_.seal(txn);
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

base::Status ShardProcessor::publish(Batch& batch, projection::ProjectionTxn txn) {
  if (batch.records.empty()) return {};
  const std::size_t count = batch.records.size();
  const auto give_up = [&](base::Error error) -> base::Status {
    txn.txn().abort();
    return fail(std::move(error));
  };
  auto ticket = log_.append(*claim_, std::move(batch.records));
  if (!ticket) {
    step_down();
    return give_up(std::move(ticket).error());
  }
  auto settled = log_.settle(*ticket);
  if (!settled && settled.error().code() == ErrorCode::exhausted) return give_up(std::move(settled).error());
  if (!settled) {
    step_down();
    (void)storage_failed(settled.error());
    return give_up(base::Error(ErrorCode::lost, std::string(not_known)));
  }
  if (settled->outcome == log::Outcome::lost) {
    lose();
    return give_up(base::Error(ErrorCode::lost, "another node owns this shard now; nothing was changed"));
  }
  TRV_ASSERT(settled->last.next() == batch.next);
  claim_->next = batch.next;
  claim_->last_hash = batch.last_hash;
  if (const auto committed = projection_.commit(std::move(txn), settled->position); !committed) {
    // The log leads: what it took is true. The projection catches up from it when the shard is taken over again.
    step_down();
    (void)storage_failed(committed.error());
    return fail(ErrorCode::lost, std::string(not_known));
  }
  {
    const std::scoped_lock lock(mutex_);
    ++metrics_.batches;
    metrics_.records += count;
    metrics_.applied_lsn = projection_.applied().lsn.value();
  }
  const bool has_effects = !batch.effects.requested.empty() || !batch.effects.cancelled.empty();
  if (has_effects && listeners_.effects) listeners_.effects(std::move(batch.effects));
  if (listeners_.committed) listeners_.committed(projection_.applied().lsn);
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
  for (Pending& pending : batch.commands) pending.outcome = fail(error);
  answer(batch);
}

// What a caller gets to know of it: a full disk, or a broker that refuses this node, is not the caller's doing, and its
// place not their business.
base::Error ShardProcessor::storage_failed(const base::Error& error) {
  report(error);
  if (is_outdated_) return {ErrorCode::unavailable, std::string(is_elsewhere)};
  const bool is_known_as_it_is = error.code() == ErrorCode::lost || error.code() == ErrorCode::corrupt ||
                                 error.code() == ErrorCode::internal || error.code() == ErrorCode::too_large;
  if (is_known_as_it_is) return error;
  // A write that reaches the end of a disk is cut short, and LMDB says of it what it says of a disk that fails.
  const std::scoped_lock lock(mutex_);
  full_until_ = clock_.monotonic() + full_wait;
  return {ErrorCode::unavailable, std::string(no_room)};
}

}  // namespace trv::shard
