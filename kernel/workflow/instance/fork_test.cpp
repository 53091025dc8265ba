// `fork`: branches that run beside each other, how they end together, and what becomes of those that lose.

#include <fmt/format.h>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

class ForkTest : public ::testing::Test {
 protected:
  InstanceId start(std::string_view tasks, std::string_view input = R"({"n":1})") {
    return kernel_.start(kernel_.apply_text(document(fmt::format("do: {}\n", tasks))), input);
  }
  InstanceDetail detail(const InstanceId& id) { return kernel_.detail(id); }
  /// The effect that the task of this name waits for.
  std::string effect_of(std::string_view task) {
    for (const shard::Effect& effect : kernel_.pending()) {
      if (effect.task.ends_with(fmt::format("/{}", task))) return effect.key;
    }
    return {};
  }
  void expect_output(const InstanceId& id, std::string_view output) {
    const InstanceDetail found = detail(id);
    EXPECT_EQ(found.summary.status, Status::completed) << found.error;
    EXPECT_EQ(found.output, output);
    expect_nothing_left();
  }
  void expect_nothing_left() {
    EXPECT_EQ(kernel_.timers(), 0U);
    EXPECT_TRUE(kernel_.pending().empty());
    const auto txn = kernel_.read();
    for (const lmdb::Table* table :
         {&kernel_.tables().branches, &kernel_.tables().frames, &kernel_.tables().contexts}) {
      EXPECT_FALSE(good(good(lmdb::Cursor::open(txn, *table)).first()));
    }
  }

  TestKernel kernel_;
};

TEST_F(ForkTest, branches_run_on_the_forks_input_and_their_outputs_stand_in_the_order_of_the_text) {
  expect_output(start("[{f: {input: {from: .n}, fork: {branches: [{a: {set: '${ . + 10 }'}}, {b: {do: [{x: {set: '${ . "
                      "+ 20 }'}}, {y: {set: '${ . + 100 }'}}]}}, {c: {set: '${ $input }'}}]}}}]"),
                "[11,121,1]");
}

TEST_F(ForkTest, the_last_branch_to_end_ends_the_fork_whatever_the_order) {
  const InstanceId id = start(
      "[{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {b: {wait: {seconds: 5}}}, {c: {call: "
      "'p.o:1.0.0@default'}}]}, output: {as: '{all: ., n: $input.n}'}}}]");
  EXPECT_EQ(kernel_.pending().size(), 2U);
  EXPECT_EQ(detail(id).waits_for.size(), 2U);
  EXPECT_EQ(detail(id).summary.current_task, "/do/0/f");
  (void)good(kernel_.succeed(effect_of("c"), R"("third")"));
  EXPECT_EQ(detail(id).summary.status, Status::running);
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(detail(id).summary.status, Status::running);
  (void)good(kernel_.succeed(effect_of("a"), R"("first")"));
  expect_output(id, R"({"all":["first",{"n":1},"third"],"n":1})");
}

TEST_F(ForkTest, an_outcome_that_fits_no_branch_changes_nothing) {
  const InstanceId id = start(
      "[{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {b: {call: "
      "'p.o:1.0.0@default'}}]}}}]");
  const std::string a = effect_of("a");
  (void)good(kernel_.succeed(a, "1"));
  EXPECT_TRUE(good(kernel_.succeed(a, "2")).already_known);
  (void)good(kernel_.succeed(effect_of("b"), "3"));
  expect_output(id, "[1,3]");
}

TEST_F(ForkTest, of_competing_branches_the_first_to_end_wins_and_the_others_are_cancelled) {
  const InstanceId id = start(
      "[{f: {fork: {compete: true, branches: [{a: {call: 'p.o:1.0.0@default'}}, {b: {do: [{c: "
      "{call: 'p.o:1.0.0@default'}}, {d: {wait: {seconds: 1}}}]}}, {e: {wait: {hours: 1}}}]}}}]");
  EXPECT_EQ(kernel_.timers(), 1U);
  (void)good(kernel_.succeed(effect_of("c"), R"({"from":"c"})"));
  EXPECT_EQ(kernel_.timers(), 2U);
  const std::string lost = effect_of("a");
  EXPECT_TRUE(kernel_.fire_timer());
  expect_output(id, R"({"from":"c"})");
  EXPECT_TRUE(good(kernel_.succeed(lost, "1")).already_known);
}

TEST_F(ForkTest, a_call_whose_branch_loses_before_it_is_recorded_is_never_made) {
  const InstanceId id = start(
      "[{f: {fork: {compete: true, branches: [{a: {call: 'p.o:1.0.0@default'}}, {b: {fork: {branches: [{c: {call: "
      "'p.o:1.0.0@default'}}]}}}, {d: {set: {won: d}}}]}}}, {g: {call: 'p.o:1.0.0@default', with: {w: '${ .won }'}}}]");
  ASSERT_EQ(kernel_.pending().size(), 1U);
  EXPECT_EQ(kernel_.pending()[0].input, R"({"w":"d"})");
  for (const InstanceStep& step : kernel_.timeline(id)) EXPECT_NE(step.task, "a");
  EXPECT_EQ(kernel_.timeline(id).size(), detail(id).summary.steps);
  (void)good(kernel_.succeed(effect_of("g"), "1"));
  expect_output(id, "1");
}

TEST_F(ForkTest, an_error_of_a_branch_is_the_forks_and_ends_the_others) {
  const InstanceId id = start(
      "[{t: {try: [{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {b: {do: [{w: "
      "{wait: {seconds: 1}}}, {r: {raise: {error: {type: x, status: 418}}}}]}}]}}}], catch: {do: "
      "[{c: {set: '${ $error }'}}]}}}]");
  EXPECT_EQ(kernel_.pending().size(), 1U);
  EXPECT_TRUE(kernel_.fire_timer());
  expect_output(id, R"({"type":"x","status":418,"instance":"/do/0/t/try/0/f/fork/branches/1/b/do/1/r"})");
}

TEST_F(ForkTest, a_try_within_a_branch_keeps_its_error_to_itself) {
  expect_output(start("[{f: {fork: {branches: [{a: {try: [{r: {raise: {error: {type: x, status: 418}}}}], catch: {do: "
                      "[{c: {set: '${ $error.status }'}}]}}}, {b: {set: '${ 2 }'}}]}}}]"),
                "[418,2]");
}

TEST_F(ForkTest, end_in_a_branch_ends_the_workflow_with_its_output) {
  const InstanceId id = start(
      "[{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {b: {do: [{w: {wait: {seconds: "
      "1}}}, {s: {set: {done: true}, then: end}}]}}]}}}, {never: {set: '${ 1 }'}}]");
  EXPECT_TRUE(kernel_.fire_timer());
  expect_output(id, R"({"done":true})");
}

TEST_F(ForkTest, what_a_branch_exports_is_its_own_until_the_fork_ends_and_the_last_in_the_text_stays) {
  const InstanceId id = start(
      "[{e: {set: {n: 0}, export: {as: '{v: 0}'}}}, {f: {fork: {branches: ["
      "{a: {do: [{x: {wait: {seconds: 2}, export: {as: '{v: ($context.v + 1)}'}}}, {y: {set: '${ $context.v }'}}]}}, "
      "{b: {do: [{z: {set: {n: 0}, export: {as: '{v: ($context.v + 2)}'}}}, {q: {set: '${ $context.v }'}}]}}, "
      "{c: {set: '${ $context.v }'}}]}}}, {g: {set: '${ [., $context.v] }'}}]");
  EXPECT_TRUE(kernel_.fire_timer());
  expect_output(id, "[[1,2,0],2]");
  EXPECT_EQ(detail(id).context, R"({"v":2})");
}

TEST_F(ForkTest, variables_of_the_scopes_around_it_are_seen_in_branches) {
  const InstanceId id = start(
      "[{l: {for: {in: '[5, 6]'}, do: [{f: {fork: {branches: [{a: {do: [{w: {wait: {seconds: 1}}}, "
      "{s: {set: '${ $item }'}}]}}, {b: {set: '${ $index }'}}]}}}]}}]");
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_TRUE(kernel_.fire_timer());
  expect_output(id, "[6,1]");
}

TEST_F(ForkTest, a_call_in_a_loop_of_forks_has_a_key_of_its_own_each_time) {
  const InstanceId id = start(
      "[{l: {for: {in: '[1, 2]'}, do: [{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, "
      "{b: {set: '${ 1 }'}}]}}}]}}]");
  const std::string first = effect_of("a");
  (void)good(kernel_.succeed(first, "7"));
  const std::string second = effect_of("a");
  EXPECT_NE(first, second);
  (void)good(kernel_.succeed(second, "8"));
  expect_output(id, "[8,1]");
}

TEST_F(ForkTest, cancelling_the_instance_cancels_the_effects_of_all_branches) {
  const InstanceId id = start(
      "[{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {b: {fork: {branches: [{c: {call: "
      "'p.o:1.0.0@default'}}, {d: {wait: {hours: 1}}}]}}}]}}}]");
  EXPECT_EQ(kernel_.pending().size(), 2U);
  (void)good(kernel_.run([&](auto& txn, auto& here, auto those) { return cancel(txn, here, those, id, "enough"); }));
  EXPECT_EQ(detail(id).summary.status, Status::cancelled);
  expect_nothing_left();
}

TEST_F(ForkTest, many_branches_share_a_decision_and_yield_together) {
  std::string branches;
  for (int i = 0; i < 60; ++i) {
    branches += fmt::format("{}{{b{}: {{for: {{in: '[range(40)]'}}, do: [{{s{}: {{set: '${{ $item }}'}}}}]}}}}",
                            i == 0 ? "" : ", ", i, i);
  }
  const InstanceId id = start("[{f: {fork: {branches: [" + branches + "]}, output: {as: 'add'}}}]");
  int timers = 0;
  while (detail(id).summary.status == Status::running && kernel_.fire_timer()) ++timers;
  EXPECT_GE(timers, 2) << "a decision has 1,000 steps at most";
  expect_output(id, std::to_string(60 * 39));
}

TEST_F(ForkTest, a_replay_has_the_same_branches) {
  const InstanceId id = start(
      "[{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {b: {wait: {seconds: 5}, export: "
      "{as: '{x: 1}'}}}, {c: {do: [{d: {wait: {seconds: 9}}}, {e: {set: '${ 1 }'}}]}}]}}}]");
  EXPECT_TRUE(kernel_.fire_timer());
  TestKernel again;
  again.replay(kernel_);
  EXPECT_EQ(again.detail(id).due, detail(id).due);
  EXPECT_EQ(again.timers(), kernel_.timers());
  ASSERT_EQ(again.pending().size(), 1U);
  (void)good(again.succeed(again.pending()[0].key, "1"));
  again.now = kernel_.now;
  EXPECT_TRUE(again.fire_timer());
  EXPECT_EQ(again.detail(id).output, R"([1,{"n":1},1])");
}

TEST(ForkText, what_cannot_be_a_fork_is_refused_where_it_stands) {
  const auto refusal = [](std::string_view fork) {
    const auto compiled =
        definition::compile(document(fmt::format("do:\n  - f:\n      fork: {}\n", fork)), definition::Format::yaml);
    return compiled ? std::string("compiles") : compiled.error().message();
  };
  EXPECT_EQ(refusal("{branches: [{a: {set: '${ 1 }'}}]}"), "compiles");
  EXPECT_NE(refusal("{branches: []}").find("at least one task"), std::string::npos) << refusal("{branches: []}");
  EXPECT_NE(refusal("{}").find("branches"), std::string::npos) << refusal("{}");
  EXPECT_NE(
      refusal("{branches: [{a: {set: '${ 1 }', then: b}}, {b: {set: '${ 1 }'}}]}").find("not a task of the same list"),
      std::string::npos);
  EXPECT_NE(refusal("{branches: [{a: {set: '${ 1 }'}}, {a: {set: '${ 1 }'}}]}").find("named 'a'"), std::string::npos);
  EXPECT_NE(refusal("{branches: [{a: {set: '${ 1 }'}}], compete: 'yes'}").find("compete"), std::string::npos);
}

}  // namespace
}  // namespace trv::instance::testing
