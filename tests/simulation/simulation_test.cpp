// Replay equals live, whatever happens: random histories of commands and faults through a real shard.
//
//   simulation_test [--seed N] [--histories N] [GoogleTest's options]

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "events/lmdb/table.hpp"
#include "tests/simulation/simulation_fixture.hpp"
#include "tests/support/simulation/history.hpp"

namespace trv::simulation {

std::uint64_t first_seed = 1;
std::uint64_t histories = 15;

namespace {

class Simulation : public SimulationTest {
 protected:
  HistoryOptions options(std::uint64_t seed) const { return {.seed = seed, .folder = folder_}; }
};

/// Every kind of task, and all that an operator can do.
void expect_everything_often(const History& sum) {
  static constexpr std::uint64_t often = 5;
  const auto expect = [](const std::map<std::string, std::uint64_t>& counts, std::string_view what) {
    const auto found = counts.find(std::string(what));
    const std::uint64_t times = found == counts.end() ? 0 : found->second;
    EXPECT_GE(times, often) << what;
    fmt::print("{} {}\n", times, what);
  };
  for (const std::string_view kind :
       {"set",   "wait",     "call",  "http",    "shell",   "script",   "mcp",      "openapi",
        "agent", "function", "raise", "emit",    "switch",  "do",       "listen",   "for",
        "fork",  "try",      "heard", "compete", "foreach", "workflow", "extension"})
    expect(sum.tasks_of, kind);
  for (const std::string_view type :
       {"trv.instance.suspended", "trv.instance.resumed", "trv.instance.cancelled", "trv.instance.compensating",
        "trv.instance.restored", "trv.instance.forked", "trv.instance.migrated", "trv.instance.signalled",
        "trv.task.retried", "trv.task.compensating", "trv.workflow.disabled", "trv.workflow.enabled",
        "trv.workflow.deleted", "trv.workflow.scheduled"})
    expect(sum.records_of, type);
}

/// Runs all histories, in which nothing may fail.
class Histories : public Simulation, public testing::WithParamInterface<std::uint32_t> {};

TEST_P(Histories, replay_equals_live_through_random_histories_with_faults) {
  History sum;
  // A history with many shards is as long as many with one.
  const std::uint64_t count = std::max<std::uint64_t>(1, histories / GetParam());
  for (std::uint64_t seed = first_seed; seed < first_seed + count; ++seed) {
    HistoryOptions wanted = options(seed);
    wanted.shards = GetParam();
    wanted.steps = 100;
    const History history = run_history(wanted);
    ASSERT_TRUE(history.failures.empty())
        << "simulation_test --histories 1 --seed " << seed << ", " << GetParam() << " shards" << all(history.failures);
    if (histories <= 5) fmt::print("seed {}: history {}\n", seed, history.hash);
    sum.records += history.records;
    sum.acknowledged += history.acknowledged;
    sum.refused += history.refused;
    sum.lost += history.lost;
    sum.claims += history.claims;
    sum.instances += history.instances;
    sum.effects += history.effects;
    sum.torn += history.torn;
    sum.checks += history.checks;
    sum.not_recorded += history.not_recorded;
    sum.clock_set_back += history.clock_set_back;
    sum.instances_forgotten += history.instances_forgotten;
    sum.events_forgotten += history.events_forgotten;
    for (const auto& [type, times] : history.records_of) sum.records_of[type] += times;
    for (const auto& [kind, times] : history.tasks_of) sum.tasks_of[kind] += times;
  }
  if (histories >= 15 && GetParam() == 1) expect_everything_often(sum);
  EXPECT_TRUE(histories < 15 || (sum.torn > 0 && sum.not_recorded > 0 && sum.clock_set_back > 0))
      << "a fault never happened";
  EXPECT_TRUE(histories < 15 || (sum.instances_forgotten > 0 && sum.events_forgotten > 0)) << "nothing was forgotten";
  fmt::print(
      "{} shards, seeds {} to {}: {} records, {} commands acknowledged, {} refused, {} of unknown fate, {} claims, {} "
      "instances, {} effects, {} outcomes not recorded at once, {} torn decisions, {} times the clock set back, {} "
      "instances and {} ids of events forgotten, {} replays compared\n",
      GetParam(), first_seed, first_seed + count - 1, sum.records, sum.acknowledged, sum.refused, sum.lost, sum.claims,
      sum.instances, sum.effects, sum.not_recorded, sum.torn, sum.clock_set_back, sum.instances_forgotten,
      sum.events_forgotten, sum.checks);
}

TEST_P(Histories, the_same_seed_gives_the_same_history) {
  const auto history_of = [this](std::uint64_t seed) {
    HistoryOptions wanted = options(seed);
    wanted.shards = GetParam();
    return run_history(wanted);
  };
  const History once = history_of(first_seed);
  const History again = history_of(first_seed);
  const History other = history_of(first_seed + 1);
  EXPECT_GT(once.records, 0U);
  EXPECT_EQ(once.hash, again.hash) << "seed " << first_seed;
  EXPECT_NE(once.hash, other.hash);
}

INSTANTIATE_TEST_SUITE_P(OneShard, Histories, testing::Values(1));
INSTANTIATE_TEST_SUITE_P(FourShards, Histories, testing::Values(4));

TEST_F(Simulation, a_batch_may_be_torn_after_any_record) {
  std::uint64_t torn = 0;
  for (std::size_t records = 0; records <= 15; ++records) {
    HistoryOptions tearing = options(first_seed + records);
    tearing.steps = 24;
    tearing.tear_at = records;
    const History history = run_history(tearing);
    ASSERT_TRUE(history.failures.empty()) << "torn after " << records << " records" << all(history.failures);
    torn += history.torn;
  }
  EXPECT_GT(torn, 0U) << "no tear went through a decision";
}

/// Does what no projector may: keeps in memory what replay does not rebuild.
class ImpureProjector final : public projection::Projector {
 public:
  std::string_view name() const override { return "impure"; }
  std::uint32_t layout_version() const override { return 1; }
  base::Status open(lmdb::WriteTxn& txn) override {
    TRV_TRY_ASSIGN(table_, txn.create_table("impure"));
    return {};
  }
  base::Status apply(lmdb::WriteTxn& txn, const record::RecordView& record) override {
    const std::string count = std::to_string(++applied_ever);
    return table_.put(txn, record.tenant(), base::as_bytes(count));
  }

 private:
  inline static std::uint64_t applied_ever = 0;
  lmdb::Table table_;
};

TEST_F(Simulation, an_impure_projector_is_caught) {
  HistoryOptions impure = options(first_seed);
  impure.extra = [] { return std::make_unique<ImpureProjector>(); };
  const History history = run_history(impure);
  ASSERT_FALSE(history.failures.empty()) << "the net has a hole";
  EXPECT_NE(history.failures.front().find("gives another state"), std::string::npos) << all(history.failures);
}

struct Planted {
  Bug bug;
  std::string_view found_by;  ///< part of the failure that names it
};

void PrintTo(const Planted& planted, std::ostream* out) {
  *out << planted.found_by;
}

class PlantedBugs : public Simulation, public testing::WithParamInterface<Planted> {};

TEST_P(PlantedBugs, is_caught) {
  std::string found;
  std::uint64_t seed = first_seed;
  for (; found.find(GetParam().found_by) == std::string::npos && seed < first_seed + 40; ++seed) {
    HistoryOptions planted = options(seed);
    planted.bug = GetParam().bug;
    found += all(run_history(planted).failures);
  }
  EXPECT_NE(found.find(GetParam().found_by), std::string::npos) << "the net has a hole" << found;
  fmt::print("caught by the history of seed {}\n", seed - 1);
}

INSTANTIATE_TEST_SUITE_P(
    Simulation, PlantedBugs,
    testing::Values(Planted{Bug::torn_decision_is_read, "a replay of"},
                    Planted{Bug::durable_append_denied, "a command that was refused led to a record"},
                    Planted{Bug::effect_before_durable, "was handed out before it was durable"},
                    Planted{Bug::effect_performed_again, "was performed again before its outcome was recorded"},
                    Planted{Bug::effects_outlive_their_instance, "its instance has ended"},
                    Planted{Bug::decision_reads_the_clock, "time runs backwards"},
                    Planted{Bug::running_instance_is_forgotten, "is forgotten while it runs"},
                    Planted{Bug::undoing_is_forgotten, "for ever"}, Planted{Bug::retry_goes_nowhere, "for ever"},
                    Planted{Bug::what_became_due_is_lost, "for ever"}));

}  // namespace
}  // namespace trv::simulation

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; i += 2) {
    char* end = nullptr;
    const std::uint64_t value = i + 1 < argc ? std::strtoull(argv[i + 1], &end, 10) : 0;
    const bool is_number = end != nullptr && *end == '\0' && end != argv[i + 1];
    if (is_number && std::strcmp(argv[i], "--seed") == 0) {
      trv::simulation::first_seed = value;
    } else if (is_number && std::strcmp(argv[i], "--histories") == 0) {
      trv::simulation::histories = value;
    } else {
      fmt::print(stderr, "simulation_test: {}; use [--seed N] [--histories N]\n", argv[i]);
      return 2;
    }
  }
  return RUN_ALL_TESTS();
}
