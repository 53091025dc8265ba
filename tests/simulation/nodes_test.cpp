// Three nodes share eight shards of one log: random histories with faults between them.

#include <algorithm>

#include "tests/simulation/simulation_fixture.hpp"
#include "tests/support/simulation/nodes_history.hpp"

namespace trv::simulation {
namespace {

class Nodes : public SimulationTest {
 protected:
  NodesOptions options(std::uint64_t seed) const { return {.seed = seed, .folder = folder_}; }
};

TEST_F(Nodes, agree_and_lose_and_double_nothing_whatever_happens_between_them) {
  NodesHistory sum;
  for (std::uint64_t seed = first_seed; seed < first_seed + histories; ++seed) {
    const NodesHistory history = run_nodes_history(options(seed));
    ASSERT_TRUE(history.failures.empty())
        << "simulation_test --gtest_filter='Nodes.agree*' --histories 1 --seed " << seed << all(history.failures);
    if (histories <= 5) fmt::print("seed {}: history {}\n", seed, history.hash);
    sum.records += history.records;
    sum.acknowledged += history.acknowledged;
    sum.refused += history.refused;
    sum.lost += history.lost;
    sum.claims += history.claims;
    sum.effects += history.effects;
    sum.torn += history.torn;
    sum.clock_set_back += history.clock_set_back;
    sum.takeovers += history.takeovers;
    sum.handed_over += history.handed_over;
    sum.void_records += history.void_records;
    sum.answers_lost += history.answers_lost;
    sum.stored_twice += history.stored_twice;
    sum.restarts += history.restarts;
    sum.client_requests += history.client_requests;
    sum.asked_again += history.asked_again;
    sum.states_compared += history.states_compared;
  }
  if (histories >= 15) {
    for (const std::uint64_t fault : {sum.torn, sum.clock_set_back, sum.takeovers, sum.handed_over, sum.void_records,
                                      sum.answers_lost, sum.stored_twice, sum.restarts, sum.asked_again})
      EXPECT_GT(fault, 0U) << "a fault never happened";
  }
  fmt::print(
      "3 nodes, 8 shards, seeds {} to {}: {} records, {} commands acknowledged, {} refused, {} of unknown fate, {} "
      "claims, {} shards handed over, {} taken over from an owner that did not know, {} void records, {} answers of "
      "the "
      "log lost, {} batches stored twice, {} torn decisions, {} times a clock set back, {} nodes restarted, {} "
      "effects, "
      "{} client requests answered and {} repeated, {} states of nodes compared\n",
      first_seed, first_seed + histories - 1, sum.records, sum.acknowledged, sum.refused, sum.lost, sum.claims,
      sum.handed_over, sum.takeovers, sum.void_records, sum.answers_lost, sum.stored_twice, sum.torn,
      sum.clock_set_back, sum.restarts, sum.effects, sum.client_requests, sum.asked_again, sum.states_compared);
}

TEST_F(Nodes, the_same_seed_gives_the_same_history) {
  const NodesHistory once = run_nodes_history(options(first_seed));
  const NodesHistory again = run_nodes_history(options(first_seed));
  const NodesHistory other = run_nodes_history(options(first_seed + 1));
  EXPECT_GT(once.records, 0U);
  EXPECT_EQ(once.hash, again.hash) << "seed " << first_seed;
  EXPECT_NE(once.hash, other.hash);
}

struct PlantedAmongNodes {
  Bug bug;
  std::string_view found_by;  ///< part of the failure that names it
};

void PrintTo(const PlantedAmongNodes& planted, std::ostream* out) {
  *out << planted.found_by;
}

class BugsAmongNodes : public Nodes, public testing::WithParamInterface<PlantedAmongNodes> {};

TEST_P(BugsAmongNodes, are_caught) {
  std::string found;
  std::uint64_t seed = first_seed;
  for (; found.find(GetParam().found_by) == std::string::npos && seed < first_seed + 10; ++seed) {
    NodesOptions planted = options(seed);
    planted.bug = GetParam().bug;
    found += all(run_nodes_history(planted).failures);
  }
  EXPECT_NE(found.find(GetParam().found_by), std::string::npos) << "the net has a hole" << found;
  fmt::print("caught by the history of seed {}\n", seed - 1);
}

INSTANTIATE_TEST_SUITE_P(
    Planted, BugsAmongNodes,
    testing::Values(PlantedAmongNodes{Bug::acknowledged_before_settled, "was acknowledged and is not in the log"},
                    PlantedAmongNodes{Bug::no_void_rule, "which is not what the log holds there"},
                    PlantedAmongNodes{Bug::applied_before_appended, "which is not what the log holds there"},
                    PlantedAmongNodes{Bug::effect_key_reused, "two effects have the same key"},
                    PlantedAmongNodes{Bug::standby_answers_writes, "was acknowledged and is not in the log"}));

}  // namespace
}  // namespace trv::simulation
