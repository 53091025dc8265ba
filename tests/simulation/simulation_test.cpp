// Replay equals live, whatever happens: random histories of commands and faults through a real shard.
//
//   simulation_test [--seed N] [--histories N] [GoogleTest's options]

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "events/lmdb/table.hpp"
#include "tests/support/simulation/history.hpp"

namespace trv::simulation {
namespace {

std::uint64_t first_seed = 1;
std::uint64_t histories = 25;

class Simulation : public testing::Test {
 protected:
  ~Simulation() override { std::filesystem::remove_all(folder_); }

  HistoryOptions options(std::uint64_t seed) const { return {.seed = seed, .folder = folder_}; }

  static std::string all(const std::vector<std::string>& failures) {
    std::string text;
    for (const std::string& failure : failures) text += "\n  " + failure;
    return text;
  }

  std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("trv_simulation_{}", ::getpid());
};

TEST_F(Simulation, replay_equals_live_through_random_histories_with_faults) {
  History sum;
  for (std::uint64_t seed = first_seed; seed < first_seed + histories; ++seed) {
    const History history = run_history(options(seed));
    ASSERT_TRUE(history.failures.empty()) << "simulation_test --histories 1 --seed " << seed << all(history.failures);
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
  }
  EXPECT_TRUE(histories < 25 || sum.torn > 0) << "no decision was torn";
  fmt::print(
      "seeds {} to {}: {} records, {} commands acknowledged, {} refused, {} of unknown fate, {} claims, {} instances, "
      "{} "
      "effects, {} torn decisions, {} replays compared\n",
      first_seed, first_seed + histories - 1, sum.records, sum.acknowledged, sum.refused, sum.lost, sum.claims,
      sum.instances, sum.effects, sum.torn, sum.checks);
}

TEST_F(Simulation, the_same_seed_gives_the_same_history) {
  const History once = run_history(options(first_seed));
  const History again = run_history(options(first_seed));
  const History other = run_history(options(first_seed + 1));
  EXPECT_GT(once.records, 0U);
  EXPECT_EQ(once.hash, again.hash) << "seed " << first_seed;
  EXPECT_NE(once.hash, other.hash);
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

TEST_F(Simulation, an_effect_that_outlives_its_instance_is_caught) {
  for (std::uint64_t seed = first_seed; seed < first_seed + 10; ++seed) {
    HistoryOptions planted = options(seed);
    planted.plant = Plant::effects_outlive_their_instance;
    const History history = run_history(planted);
    const auto names_it = [](const std::string& failure) { return failure.contains("its instance has ended"); };
    if (std::ranges::any_of(history.failures, names_it)) return;
  }
  FAIL() << "the net has a hole";
}

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
