// `run` of a workflow: what it is given, what its end means to the one that awaits it, and who is cancelled with whom.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

class RunTest : public ::testing::Test {
 protected:
  definition::Name apply(std::string_view name, std::string_view rest, std::string_view version = "1.0.0") {
    return kernel_.apply_text(
        fmt::format("document: {{dsl: '1.0.3', namespace: test, name: {}, version: '{}'}}\n{}", name, version, rest));
  }
  void play() {
    while (std::ranges::any_of(all(), [&](const InstanceSummary& one) {
      const auto due = kernel_.detail(one.id).due;
      return due && *due <= kernel_.now;
    })) {
      ASSERT_TRUE(kernel_.fire_timer());
    }
  }
  std::vector<InstanceSummary> all() {
    auto txn = kernel_.read();
    return good(InstanceStore(kernel_.tables()).list(txn, base::TenantId("acme"), {}, {}, 1'000)).items;
  }
  std::vector<InstanceSummary> of(std::string_view name) {
    auto found = all();
    std::erase_if(found, [&](const InstanceSummary& one) { return one.definition.name != name; });
    return found;
  }
  std::string outcome(const InstanceId& id) {
    const InstanceDetail detail = kernel_.detail(id);
    return std::string(to_string(detail.summary.status)) + " " + detail.output + detail.error;
  }
  void cancel_instance(const InstanceId& id) {
    (void)good(kernel_.run([&](auto& txn, auto& here, auto those) { return cancel(txn, here, those, id, "enough"); }));
  }

  TestKernel kernel_;
};

TEST_F(RunTest, its_output_is_the_tasks) {
  apply("child", "do: [{s: {set: {twice: '${ .n * 2 }'}}}]\n");
  const InstanceId id = kernel_.start(
      apply("parent",
            "do: [{r: {run: {workflow: {namespace: test, name: child, version: '1.0.0', input: {n: '${ .n "
            "}'}}}, output: {as: '[.twice, $input.n]'}}}]\n"),
      R"({"n":4})");
  play();
  EXPECT_EQ(outcome(id), "completed [8,4]");
  ASSERT_EQ(of("child").size(), 1U);
  EXPECT_TRUE(of("child")[0].trigger.starts_with("run:" + id.to_string())) << of("child")[0].trigger;
  const auto steps = kernel_.timeline(id);
  const auto running = std::ranges::find(steps, "running", &InstanceStep::outcome);
  ASSERT_NE(running, steps.end());
  EXPECT_EQ(running->operation, "test/child:1.0.0");
  EXPECT_EQ(running->output, fmt::format(R"({{"instance":"{}"}})", of("child")[0].id.to_string()));
  EXPECT_EQ(kernel_.timers(), 0U);
}

TEST_F(RunTest, its_error_is_the_tasks_and_can_be_caught) {
  apply("child", "do: [{r: {raise: {error: {type: x, status: 418, title: T}}}}]\n");
  const InstanceId id =
      kernel_.start(apply("parent",
                          "do: [{t: {try: [{r: {run: {workflow: {namespace: test, name: child, version: "
                          "latest}}}}], catch: {do: [{c: {set: '${ [$error.status, $error.title] }'}}]}}}]\n"));
  play();
  EXPECT_EQ(outcome(id), R"(completed [418,"T"])");
}

TEST_F(RunTest, a_call_in_it_is_awaited_for_as_long_as_it_takes) {
  apply("child", "do: [{c: {call: 'p.o:1.0.0@default'}}]\n");
  const InstanceId id = kernel_.start(apply(
      "parent",
      "do: [{f: {fork: {branches: [{a: {run: {workflow: {namespace: test, name: child, version: '1.0.0'}}}}, {b: {run: "
      "{workflow: {namespace: test, name: child, version: '1.0.0'}}}}]}}}, {s: {set: '${ add }'}}]\n"));
  play();
  const auto effects = kernel_.pending();
  ASSERT_EQ(effects.size(), 2U);
  EXPECT_EQ(outcome(id), "running ");
  (void)good(kernel_.succeed(effects[1].key, "[2]"));
  (void)good(kernel_.succeed(effects[0].key, "[1]"));
  EXPECT_EQ(outcome(id), "completed [1,2]");
}

TEST_F(RunTest, one_that_is_not_awaited_goes_on_alone) {
  apply("child", "do: [{w: {wait: {hours: 1}}}]\n");
  const InstanceId id = kernel_.start(
      apply("parent", "do: [{r: {run: {workflow: {namespace: test, name: child, version: '1.0.0'}, await: false}}}]\n"),
      R"({"n":4})");
  play();
  EXPECT_EQ(outcome(id), R"(completed {"n":4})");
  ASSERT_EQ(of("child").size(), 1U);
  EXPECT_EQ(of("child")[0].status, Status::running);
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(of("child")[0].status, Status::completed);
}

TEST_F(RunTest, the_latest_version_is_taken_where_none_is_said) {
  apply("child", "do: [{s: {set: {v: 1}}}]\n");
  const definition::Name parent =
      apply("parent", "do: [{r: {run: {workflow: {namespace: test, name: child, version: latest}}}}]\n");
  apply("child", "do: [{s: {set: {v: 2}}}]\n", "1.1.0");
  const InstanceId id = kernel_.start(parent);
  play();
  EXPECT_EQ(outcome(id), R"(completed {"v":2})");
}

TEST_F(RunTest, a_workflow_that_is_not_there_is_the_tasks_error) {
  const InstanceId id = kernel_.start(
      apply("parent", "do: [{r: {run: {workflow: {namespace: test, name: nobody, version: '1.0.0'}}}}]\n"));
  EXPECT_NE(outcome(id).find("there is no workflow test/nobody:1.0.0"), std::string::npos) << outcome(id);
  EXPECT_NE(outcome(id).find("configuration"), std::string::npos);
}

TEST_F(RunTest, who_is_cancelled_takes_those_along_that_it_awaits) {
  apply("inner", "do: [{c: {call: 'p.o:1.0.0@default'}}]\n");
  apply("middle", "do: [{r: {run: {workflow: {namespace: test, name: inner, version: '1.0.0'}}}}]\n");
  const InstanceId id = kernel_.start(
      apply("outer", "do: [{r: {run: {workflow: {namespace: test, name: middle, version: '1.0.0'}}}}]\n"));
  play();
  ASSERT_EQ(kernel_.pending().size(), 1U);
  cancel_instance(id);
  for (const InstanceSummary& one : all()) EXPECT_EQ(one.status, Status::cancelled) << one.definition.name;
  EXPECT_TRUE(kernel_.pending().empty());
  EXPECT_EQ(kernel_.timers(), 0U);
}

TEST_F(RunTest, a_child_that_is_cancelled_fails_its_task) {
  apply("child", "do: [{w: {wait: {hours: 1}}}]\n");
  const InstanceId id = kernel_.start(
      apply("parent",
            "do: [{t: {try: [{r: {run: {workflow: {namespace: test, name: child, version: '1.0.0'}}}}], catch: "
            "{do: [{c: {set: '${ $error.detail }'}}]}}}]\n"));
  play();
  const InstanceId child = of("child").at(0).id;
  cancel_instance(child);
  EXPECT_EQ(outcome(id),
            fmt::format(R"(completed "the workflow that it ran, instance {}, was cancelled")", child.to_string()));
}

TEST_F(RunTest, a_race_or_a_timeout_cancels_the_child_that_lost) {
  apply("slow", "do: [{w: {wait: {hours: 1}}}]\n");
  const InstanceId raced = kernel_.start(
      apply("race",
            "do: [{f: {fork: {compete: true, branches: [{a: {run: {workflow: {namespace: test, name: slow, "
            "version: '1.0.0'}}}}, {b: {wait: {seconds: 1}}}]}}}]\n"));
  const InstanceId late =
      kernel_.start(apply("late",
                          "do: [{r: {timeout: {after: PT2S}, run: {workflow: {namespace: test, name: slow, version: "
                          "'1.0.0'}}}}]\n"));
  play();
  ASSERT_EQ(of("slow").size(), 2U);
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_TRUE(outcome(raced).starts_with("completed")) << outcome(raced);
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_TRUE(outcome(late).starts_with("faulted")) << outcome(late);
  for (const InstanceSummary& one : of("slow")) EXPECT_EQ(one.status, Status::cancelled);
  EXPECT_EQ(kernel_.timers(), 0U);
}

TEST_F(RunTest, one_that_loses_in_the_decision_that_would_run_it_is_never_run) {
  apply("slow", "do: [{w: {wait: {hours: 1}}}]\n");
  const InstanceId id = kernel_.start(
      apply("race",
            "do: [{f: {fork: {compete: true, branches: [{a: {run: {workflow: {namespace: test, name: slow, "
            "version: '1.0.0'}}}}, {b: {set: {won: b}}}]}}}]\n"));
  EXPECT_EQ(outcome(id), R"(completed {"won":"b"})");
  EXPECT_TRUE(of("slow").empty());
}

TEST_F(RunTest, a_workflow_that_runs_itself_without_end_faults) {
  const InstanceId id =
      kernel_.start(apply("self", "do: [{r: {run: {workflow: {namespace: test, name: self, version: '1.0.0'}}}}]\n"));
  play();
  EXPECT_NE(outcome(id).find("more than 50 deep"), std::string::npos) << outcome(id);
  EXPECT_EQ(all().size(), 51U);
  for (const InstanceSummary& one : all()) EXPECT_EQ(one.status, Status::faulted);
}

}  // namespace
}  // namespace trv::instance::testing
