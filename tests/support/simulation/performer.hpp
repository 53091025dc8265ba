#pragma once
// The dispatcher of a simulated shard: performs what is handed out, keeps its outcome, and offers it until it is
// recorded.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sdk/base/random.hpp"
#include "tests/support/simulation/bug.hpp"
#include "tests/support/simulation/world.hpp"

namespace trv::simulation {

/// One thread. The world and the dice outlive it.
class Performer {
 public:
  Performer(World& world, base::Random& dice, Bug bug, std::function<void(std::string)> fail)
      : world_(world), dice_(dice), bug_(bug), fail_(std::move(fail)) {}

  /// What was handed out is performed once in the life of an owner.
  void perform();
  /// Puts an outcome into the next batch: it comes late, twice, in any order, for another tenant, and for a key that
  /// nobody knows. False: no effect was seen yet.
  [[nodiscard]] bool offer_any(const std::vector<std::string>& tenants);
  /// Offers the outcomes of all effects that wait; false: none waits.
  [[nodiscard]] bool offer_all();
  /// After the batch. Returns how many outcomes were not recorded.
  std::uint64_t end_offers();
  /// What was under way is performed again: nobody knows whether it was.
  void begin_anew() { performed_.clear(); }

 private:
  /// An effect that was performed.
  struct Performed {
    std::string tenant;
    std::string key;
    std::string kind;
    shard::Outcome outcome;
    int times = 0;
    std::vector<const Sent*> offers;  ///< of the outcome, in the batch in hand
  };

  void perform(const std::string& of, const std::string& key, const std::string& kind);
  void offer(Performed& performed);
  Sent& settle(const std::string& of, const std::string& key, const shard::Outcome& outcome);
  /// `kind` of the effect; empty: a key that nobody knows.
  shard::Outcome some_outcome(const std::string& kind);

  World& world_;
  base::Random& dice_;
  const Bug bug_;
  const std::function<void(std::string)> fail_;
  std::map<std::string, Performed> performed_;  ///< by key
  struct Key {
    std::string tenant;
    std::string key;
    std::string kind;
  };
  std::vector<Key> keys_;        ///< of every effect seen
  std::set<std::string> known_;  ///< the same keys
};

}  // namespace trv::simulation
