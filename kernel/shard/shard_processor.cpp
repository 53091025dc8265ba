#include "kernel/shard/shard_processor.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sdk/base/contract.hpp"

namespace trv::shard {
namespace {

using base::ErrorCode;
using base::fail;

constexpr std::size_t timers_per_batch_max = 1024;
constexpr std::string_view is_stopping = "travd is stopping; ask again in a moment";
/// How long a shard is not ready after a batch for which there was no room.
constexpr auto full_wait = std::chrono::seconds(5);
constexpr std::string_view no_room =
    "the node has no room to store anything, or the disk or the brokers of its log fail; nothing was changed; try "
    "again "
    "later";

}  // namespace

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
