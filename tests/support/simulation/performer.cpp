#include "tests/support/simulation/performer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sdk/base/contract.hpp"

namespace trv::simulation {

void Performer::perform() {
  for (const shard::Effect& effect : world_.take_handed_out()) {
    if (known_.insert(effect.key).second)
      keys_.push_back({std::string(effect.tenant.value()), effect.key, effect.kind});
    if (!performed_.contains(effect.key)) perform(std::string(effect.tenant.value()), effect.key, effect.kind);
  }
  const lmdb::ReadTxn txn = world_.read();
  const instance::InstanceStore instances(world_.stores().workflows.tables());
  for (const shard::Effect& effect : world_.pending()) {
    if (!performed_.contains(effect.key)) {
      fail_(fmt::format("effect {} is pending and was never handed out", effect.key));
      perform(std::string(effect.tenant.value()), effect.key, effect.kind);
    }
    const auto owner = instances.load(txn, effect.tenant, *base::Uuid::parse(effect.owner));
    TRV_ASSERT(owner.has_value());
    if (!*owner || (*owner)->state.status != instance::Status::running)
      fail_(fmt::format("effect {} is pending and its instance has ended", effect.key));
  }
}

void Performer::perform(const std::string& of, const std::string& key, const std::string& kind) {
  Performed& performed = performed_[key];
  if (++performed.times > 1) fail_(fmt::format("effect {} was performed again before its outcome was recorded", key));
  performed.tenant = of;
  performed.key = key;
  performed.kind = kind;
  performed.outcome = some_outcome(kind);
}

bool Performer::offer_any(const std::vector<std::string>& tenants) {
  if (keys_.empty()) return false;
  const auto& [owner, key, kind] = keys_[keys_.size() - 1 - dice_.below(std::min<std::size_t>(keys_.size(), 12))];
  if (const auto performed = performed_.find(key); performed != performed_.end() && dice_.below(4) != 0) {
    offer(performed->second);
    return true;
  }
  const std::string& by = dice_.below(10) == 0 ? tenants[dice_.below(tenants.size())] : owner;
  settle(by, dice_.below(15) == 0 ? key + "?" : key, some_outcome(kind));
  return true;
}

bool Performer::offer_all() {
  const auto effects = world_.pending();
  for (const shard::Effect& effect : effects) offer(performed_.at(effect.key));
  return !effects.empty();
}

std::uint64_t Performer::end_offers() {
  std::uint64_t not_recorded = 0;
  for (auto& [key, performed] : performed_) {
    bool failed = false;
    for (const Sent* offered : std::exchange(performed.offers, {})) {
      failed = failed || (!offered->outcome && offered->outcome.error().may_pass());
    }
    if (!failed) continue;
    ++not_recorded;
    if (bug_ == Bug::effect_performed_again) perform(performed.tenant, key, performed.kind);
  }
  return not_recorded;
}

shard::Outcome Performer::some_outcome(const std::string& kind) {
  shard::Outcome outcome;
  outcome.ok = dice_.below(4) != 0;
  if (outcome.ok) {
    if (kind == "http") outcome.status = 200;
    outcome.output = fmt::format(R"({{"n":{}}})", dice_.below(9));
  } else {
    outcome.code = "unavailable";
    outcome.status = 503;
    outcome.message = "it went wrong";
  }
  return outcome;
}

void Performer::offer(Performed& performed) {
  performed.offers.push_back(&settle(performed.tenant, performed.key, performed.outcome));
}

Sent& Performer::settle(const std::string& of, const std::string& key, const shard::Outcome& outcome) {
  return world_.add(of,
                    [key, outcome](World& here, const lmdb::Txn& txn,
                                   const shard::DecisionContext& context) -> base::Result<shard::Decision> {
                      TRV_TRY_ASSIGN(auto settled, instance::outcome(txn, context, here.workflows(), key, outcome));
                      return std::move(settled.decision);
                    });
}

}  // namespace trv::simulation
