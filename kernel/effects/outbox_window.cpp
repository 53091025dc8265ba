#include "kernel/effects/outbox_window.hpp"

#include <algorithm>

#include "sdk/base/contract.hpp"

namespace trv::effects {
namespace {

/// Effects of one tenant before it is the next one's turn.
constexpr std::size_t turn_effects_max = 64;
/// What an effect takes beside its input.
constexpr std::size_t effect_bytes = 1024;

std::size_t bytes_of(const shard::Effect& effect) {
  return effect_bytes + effect.input.size();
}

}  // namespace

OutboxWindow::OutboxWindow(WindowLimits limits, const projection::Projection& projection, const shard::Outbox& outbox)
    : limits_(limits), projection_(projection), outbox_(outbox) {
  TRV_EXPECTS(limits_.effects_max > 0 && limits_.bytes_max > 0);
}

bool OutboxWindow::has_room(const Lane& lane) const {
  TRV_ASSERT(held_ <= limits_.effects_max);
  return bytes_ < limits_.bytes_max && lane.held < limits_.effects_max - held_;
}

void OutboxWindow::hold(Lane& lane, const shard::Effect& effect) {
  TRV_EXPECTS(effect.position > lane.behind);
  lane.behind = effect.position;
  ++lane.held;
  ++held_;
  bytes_ += bytes_of(effect);
}

bool OutboxWindow::take(const shard::Effect& effect) {
  TRV_EXPECTS(effect.position.value() > 0);
  Lane& lane = lanes_[effect.tenant];
  if (effect.position <= lane.behind || lagging_.contains(effect.tenant)) return false;
  if (sweep_ || !has_room(lane)) {
    lagging_.insert(effect.tenant);
    has_room_again_ = true;
    return false;
  }
  hold(lane, effect);
  return true;
}

void OutboxWindow::forget() {
  lanes_.clear();
  lagging_.clear();
  held_ = 0;
  bytes_ = 0;
  sweep_ = true;
  has_room_again_ = false;
}

void OutboxWindow::look_again() {
  sweep_ = true;
}

base::Status OutboxWindow::sweep(const lmdb::Txn& txn) {
  for (std::string after;;) {
    TRV_TRY_ASSIGN(const auto tenant, outbox_.tenant_behind(txn, after));
    if (!tenant) break;
    TRV_ASSERT(tenant->value() > after);
    after = tenant->value();
    lagging_.insert(*tenant);
  }
  sweep_ = false;
  return {};
}

base::Result<std::vector<shard::Effect>> OutboxWindow::pull() {
  std::vector<shard::Effect> pulled;
  TRV_TRY_ASSIGN(const auto txn, projection_.begin_read());
  if (sweep_) TRV_TRY(sweep(txn));
  has_room_again_ = false;
  for (std::size_t without_room = 0; !lagging_.empty() && without_room < lagging_.size();) {
    auto at = lagging_.upper_bound(last_pulled_);
    if (at == lagging_.end()) at = lagging_.begin();
    last_pulled_ = *at;
    Lane& lane = lanes_[last_pulled_];
    // One that has just been filled waits until half of it is done, so that rows are read in some number.
    const bool in_this_pull = !pulled.empty();
    if (!has_room(lane) || (!in_this_pull && 2 * lane.held > limits_.effects_max - held_)) {
      ++without_room;
      continue;
    }
    const std::size_t count = std::min(turn_effects_max, limits_.effects_max - held_ - lane.held);
    TRV_TRY_ASSIGN(std::vector<shard::Effect> some, outbox_.pending(txn, last_pulled_, lane.behind, count));
    if (some.size() < count) {
      lagging_.erase(at);
    }
    without_room = 0;
    for (shard::Effect& effect : some) {
      if (!has_room(lane)) {
        lagging_.insert(effect.tenant);
        break;
      }
      hold(lane, effect);
      pulled.push_back(std::move(effect));
    }
  }
  TRV_ENSURES(held_ <= limits_.effects_max);
  return pulled;
}

void OutboxWindow::release(const shard::Effect& effect, std::size_t bytes) {
  Lane& lane = lanes_.at(effect.tenant);
  TRV_EXPECTS(lane.held > 0 && held_ >= lane.held);
  TRV_EXPECTS(bytes_ >= bytes_of(effect) + bytes);
  --lane.held;
  --held_;
  bytes_ -= bytes_of(effect) + bytes;
  has_room_again_ = true;
}

}  // namespace trv::effects
