#include "kernel/node/mover.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "kernel/node/move.hpp"
#include "kernel/tenancy/decisions.hpp"
#include "sdk/base/contract.hpp"

namespace trv::node {
namespace {

constexpr std::size_t moves_max = 64;  ///< at once; the others follow
/// Between two looks while something moves: at effects that are under way, and at shards whose owner changes.
constexpr base::Duration look_again_after = std::chrono::milliseconds(20);
/// How long the rows of a tenant stay where it was: for requests that began before they go to the new shard.
constexpr base::Duration rows_kept = std::chrono::seconds(1);

base::Result<std::optional<shard::Residency>> residency_in(const Shard& shard, const tenancy::Move& move) {
  TRV_TRY_ASSIGN(const auto txn, shard.begin_read());
  return shard.residence().find(txn, move.tenant);
}

}  // namespace

Mover::Mover(const Node& node, const base::Clock& clock, MoverPorts ports)
    : node_(node), clock_(clock), ports_(std::move(ports)) {
  TRV_EXPECTS(ports_.hold && ports_.let_go && ports_.report);
}

Mover::~Mover() {
  stop();
}

void Mover::start() {
  TRV_EXPECTS(!thread_.joinable());
  thread_ = std::thread([this] { run(); });
}

void Mover::stop() {
  {
    const std::scoped_lock lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Mover::wake(log::ShardId shard) {
  const std::scoped_lock lock(mutex_);
  if (!is_moving_ && shard != node_.platform().id()) return;
  is_woken_ = true;
  changed_.notify_one();
}

void Mover::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      const auto something = [this] { return is_woken_ || is_stopping_; };
      if (is_moving_) {
        changed_.wait_for(lock, look_again_after, something);
      } else {
        changed_.wait(lock, something);
      }
      if (is_stopping_) return;
      is_woken_ = false;
    }
    const auto under_way = moves();
    if (!under_way) ports_.report(fmt::format("moves of tenants cannot be read: {}", under_way.error().message()));
    for (const tenancy::Move& move : under_way.value_or(std::vector<tenancy::Move>())) {
      const base::Status done = step(move);
      std::string& last = reported_[move.tenant.value()];
      const std::string line = done ? std::string() : done.error().message();
      if (!line.empty() && line != last) {
        ports_.report(
            fmt::format("the move of tenant '{}' to shard {} waits: {}", move.tenant.value(), move.to.value(), line));
      }
      last = line;
    }
    const std::scoped_lock lock(mutex_);
    is_moving_ = !under_way || !under_way->empty();
    if (is_moving_) continue;
    placed_at_.clear();
    reported_.clear();
  }
}

base::Result<std::vector<tenancy::Move>> Mover::moves() const {
  if (!node_.platform().is_serving()) return std::vector<tenancy::Move>();
  TRV_TRY_ASSIGN(const auto txn, node_.platform().begin_read());
  return node_.platform().tenancy().moves(txn, moves_max);
}

base::Status Mover::step(const tenancy::Move& move) {
  TRV_EXPECTS(move.from != move.to);
  if (std::max(move.from, move.to).value() >= node_.shards().size()) {
    return base::fail(base::ErrorCode::unavailable,
                      fmt::format("tenant '{}' moves from shard {} to {}, but shards = {} here: set it as on the other "
                                  "nodes, and start this one again",
                                  move.tenant.value(), move.from.value(), move.to.value(), node_.shards().size()));
  }
  Shard& from = *node_.shards()[move.from.value()];
  Shard& to = *node_.shards()[move.to.value()];
  if (!from.is_serving() || !to.is_serving()) return {};
  if (from.is_owned()) TRV_TRY(leave(from, move));
  if (to.is_owned()) TRV_TRY(enter(from, to, move));
  if (node_.platform().is_owned()) TRV_TRY(settle(from, to, move));
  return {};
}

base::Status Mover::leave(Shard& from, const tenancy::Move& move) {
  TRV_TRY_ASSIGN(const auto residency, residency_in(from, move));
  if (is_of(residency, shard::Presence::gone, move)) {
    ports_.let_go(from.id(), move.tenant);
    return {};
  }
  if (is_of(residency, shard::Presence::departed, move)) {
    if (!is_read_no_more(move)) return {};
    return from.move_and_wait(move.tenant, [&](const lmdb::Txn& state, shard::DecisionContext& context) {
      return erase_rows(from.stores(), state, context, move);
    });
  }
  if (!ports_.hold(from.id(), move.tenant)) return {};
  return from.move_and_wait(move.tenant, [&](const lmdb::Txn& state, shard::DecisionContext& context) {
    return depart(from.stores(), state, context, move);
  });
}

base::Status Mover::enter(const Shard& from, Shard& to, const tenancy::Move& move) {
  TRV_TRY_ASSIGN(const auto residency, residency_in(to, move));
  if (is_of(residency, shard::Presence::here, move)) {
    ports_.let_go(to.id(), move.tenant);
    return to.move_and_wait(move.tenant, [&](const lmdb::Txn& state, shard::DecisionContext& context) {
      return release_parked(to.stores(), state, context, move);
    });
  }
  std::optional<Luggage> luggage;
  {
    TRV_TRY_ASSIGN(const auto departed, from.begin_read());
    TRV_TRY_ASSIGN(const auto arriving, to.begin_read());
    TRV_TRY_ASSIGN(luggage, next_luggage(from.stores(), departed, to.stores(), arriving, move));
  }
  if (!luggage) return {};
  return to.move_and_wait(move.tenant, [&](const lmdb::Txn& state, shard::DecisionContext& context) {
    return arrive(to.stores(), state, context, move, *luggage);
  });
}

base::Status Mover::settle(const Shard& from, const Shard& to, const tenancy::Move& move) {
  TRV_TRY_ASSIGN(const auto there, residency_in(to, move));
  if (!is_of(there, shard::Presence::here, move)) return {};
  Shard& platform = node_.platform();
  tenancy::RecordMove step{.move = move, .step = tenancy::MoveStep::placed};
  TRV_TRY_ASSIGN(const auto left, residency_in(from, move));
  if (is_of(left, shard::Presence::gone, move)) {
    TRV_TRY_ASSIGN(const auto txn, to.begin_read());
    TRV_TRY_ASSIGN(const bool waits, has_parked_for_move(to.stores(), txn, move));
    if (waits) return {};
    step.step = tenancy::MoveStep::finished;
  } else {
    TRV_TRY_ASSIGN(const auto tenant, node_.tenant(move.tenant));
    if (tenant && tenant->shard == move.to) return {};
  }
  return platform.decide_and_wait(base::system_tenant(), [&](const lmdb::Txn& state, shard::DecisionContext& context) {
    return tenancy::decide(platform.tenancy(), state, context, step);
  });
}

bool Mover::is_read_no_more(const tenancy::Move& move) {
  const auto tenant = node_.tenant(move.tenant);
  if (!tenant || !*tenant || (*tenant)->shard != move.to) return false;
  const base::Duration now = clock_.monotonic();
  return now - placed_at_.try_emplace(move.number, now).first->second >= rows_kept;
}

}  // namespace trv::node
