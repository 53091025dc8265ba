// A shard while another process owns it.

#include "kernel/shard/shard_processor.hpp"
#include "sdk/base/contract.hpp"

namespace trv::shard {
namespace {

constexpr auto again_after = std::chrono::seconds(1);
/// How long it waits for what the owner appends, before it looks again.
constexpr base::Duration patience = std::chrono::seconds(1);

}  // namespace

// Who shares the shard with others waits until it is assigned again.
void ShardProcessor::lose() {
  step_down();
  if (options_.ownership == Ownership::sole) return;
  const std::scoped_lock lock(mutex_);
  is_wanted_ = false;
}

void ShardProcessor::want(bool to_own) {
  TRV_EXPECTS(options_.ownership == Ownership::assigned);
  {
    const std::scoped_lock lock(mutex_);
    is_wanted_ = to_own && !is_outdated_;
    poked_ = true;
    if (standby_) standby_->wake();
  }
  wake_.notify_all();
}

void ShardProcessor::own() {
  want(true);
}

void ShardProcessor::cede() {
  want(false);
}

bool ShardProcessor::follows() const {
  const std::scoped_lock lock(mutex_);
  return standby_ != nullptr;
}

// Returns when this process is to own the shard, or to stop; at once where that is so already.
void ShardProcessor::stand_by() {
  const auto is_over = [this] { return is_wanted_ || stopping_; };
  {
    const std::scoped_lock lock(mutex_);
    if (is_over()) return;
  }
  step_down();
  refuse_waiting(std::string(is_elsewhere));
  if (listeners_.ceded) listeners_.ceded();
  for (;;) {
    const bool is_good = !is_outdated_ && follow();
    std::unique_lock lock(mutex_);
    if (!is_good) standby_.reset();
    if (is_outdated_) {
      wake_.wait(lock, [this] { return stopping_; });
    } else if (!is_good) {
      wake_.wait_for(lock, again_after, is_over);
    }
    if (!is_over()) continue;
    standby_.reset();
    return;
  }
}

// A later version wrote what this one cannot apply, or another node has trimmed what this one has not read in days: a
// claim would take the shard from a node that can go on.
void ShardProcessor::report(const base::Error& error) {
  if (listeners_.failed) listeners_.failed(error);
  const bool was_trimmed = error.code() == base::ErrorCode::not_found && options_.ownership == Ownership::assigned;
  if (!projection_.is_outdated() && !was_trimmed) return;
  const std::scoped_lock lock(mutex_);
  is_wanted_ = false;
  outdated_because_ = error.message() + (was_trimmed ? "; restart travd: it begins with a snapshot then" : "");
  is_outdated_ = true;
}

// Applies what the owner has appended, or waits a while for it. False: the log or the projection fails.
bool ShardProcessor::follow() {
  if (standby_ == nullptr) {
    auto reader = log_.read(options_.shard, projection_.applied().lsn.next(), projection_.applied().position);
    if (!reader) {
      report(reader.error());
      return false;
    }
    const std::scoped_lock lock(mutex_);
    standby_ = *std::move(reader);
    if (is_wanted_ || stopping_) return true;
  }
  const auto followed = projection_.follow(*standby_, patience);
  if (!followed) {
    report(followed.error());
    return false;
  }
  if (!*followed) return true;
  {
    const std::scoped_lock lock(mutex_);
    ++metrics_.followed;
    metrics_.applied_lsn = projection_.applied().lsn.value();
  }
  if (listeners_.committed) listeners_.committed(projection_.applied().lsn);
  return true;
}

}  // namespace trv::shard
