// Workflows that are disabled, enabled and deleted: nothing starts them, what has started goes on, and the records
// alone lead to the same.

#include "kernel/workflow/instance/workflow_actions.hpp"

#include <fmt/format.h>

#include <chrono>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view waits = "do: [{w: {wait: {hours: 1}}}, {s: {set: '${ . }'}}]\n";

class WorkflowActionsTest : public WorkflowTest {
 protected:
  void TearDown() override {
    TestKernel again;
    again.replay(kernel_);
    EXPECT_TRUE(again.rows() == kernel_.rows());
  }
  definition::Name apply(std::string_view rest, std::string_view version = "1.0.0", std::string_view name = "it") {
    return kernel_.apply_text(
        fmt::format("document: {{dsl: '1.0.3', namespace: test, name: {}, version: '{}'}}\n{}", name, version, rest));
  }
  bool switch_to(decltype(&disable_workflow) action, std::string_view name = "it") {
    return good(kernel_.run([&](auto& txn, auto& here, auto those) {
             return action(txn, here, those, "test", name, "the supplier is closed");
           }))
        .changed;
  }
  bool disable(std::string_view name = "it") { return switch_to(&disable_workflow, name); }
  bool enable(std::string_view name = "it") { return switch_to(&enable_workflow, name); }
  std::size_t running(std::string_view name = "it") {
    auto txn = kernel_.read();
    return good(count_running(txn, kernel_.tables(), base::TenantId(kernel_.tenant), "test", name));
  }
  base::Result<DeletedWorkflow> remove(bool while_running = false) {
    const DeleteWorkflow command{"test", "it", running(), while_running, "it is not used"};
    return kernel_.run([&](auto& txn, auto& here, auto those) { return delete_workflow(txn, here, those, command); });
  }
  base::Result<Started> try_start(std::string_view version = {}, std::string_view trigger = "api") {
    return kernel_.run([&](auto& txn, auto& here, auto those) {
      return instance::start(txn, here, those,
                             {.space = "test",
                              .name = "it",
                              .version = std::string(version),
                              .input = "{}",
                              .trigger = std::string(trigger)});
    });
  }
  std::string refusal(std::string_view version = {}) {
    const auto started = try_start(version);
    return started ? "started"
                   : fmt::format("{}: {}", base::to_string(started.error().code()), started.error().message());
  }
  StartedByEvent receive(std::string_view type) {
    return good(kernel_.run([&](auto& txn, auto& here, auto those) {
      DecisionBudget budget;
      return receive_event(
          txn, here, those,
          {.id = fmt::format("e{}", ++received_), .source = "/s", .type = std::string(type), .data = "1"}, budget);
    }));
  }
  std::vector<StoredDefinition> list() {
    auto txn = kernel_.read();
    return good(DefinitionStore(kernel_.tables()).list(txn, base::TenantId(kernel_.tenant), {}, 100)).items;
  }

  int received_ = 0;
};

TEST_F(WorkflowActionsTest, nothing_starts_any_version_of_a_disabled_workflow_by_request) {
  apply(waits);
  apply(waits, "2.0.0");
  const auto earlier = try_start("1.0.0", "key:k");
  ASSERT_TRUE(disable());
  EXPECT_FALSE(disable());
  const std::string why =
      "conflict: the workflow test/it is disabled since 2026-01-01T00:00:00.000000Z (the supplier is closed); nothing "
      "starts it until it is enabled";
  EXPECT_EQ(refusal(), why);
  EXPECT_EQ(refusal("1.0.0"), why);
  // A version that comes later changes nothing in that, and a request that was answered before has the same answer.
  apply(waits, "3.0.0");
  EXPECT_EQ(refusal("3.0.0"), why);
  EXPECT_TRUE(good(try_start("1.0.0", "key:k")).existed);
  for (const StoredDefinition& one : list()) {
    ASSERT_TRUE(one.disabled);
    EXPECT_EQ(one.disabled->actor, "member:ada");
    EXPECT_EQ(one.disabled->reason, "the supplier is closed");
  }
  ASSERT_TRUE(enable());
  EXPECT_FALSE(enable());
  EXPECT_EQ(refusal(), "started");
  EXPECT_FALSE(list().front().disabled);
}

TEST_F(WorkflowActionsTest, what_runs_goes_on_and_hears_events) {
  const definition::Name name = apply("do: [{l: {listen: {to: {one: {with: {type: go}}}}}}, {s: {set: {n: 1}}}]\n");
  const InstanceId id = kernel_.start(name);
  disable();
  EXPECT_EQ(receive("go").heard.size(), 1U);
  EXPECT_EQ(state(id), R"(completed {"n":1})");
}

TEST_F(WorkflowActionsTest, events_pass_a_disabled_workflow_by) {
  apply("schedule: {on: {one: {with: {type: go}}}}\ndo: [{s: {set: {n: 1}}}]\n");
  apply("schedule: {on: {one: {with: {type: go}}}}\ndo: [{s: {set: {n: 1}}}]\n", "1.0.0", "other");
  EXPECT_EQ(receive("go").instances.size(), 2U);
  disable();
  EXPECT_EQ(receive("go").instances.size(), 1U);
  enable();
  EXPECT_EQ(receive("go").instances.size(), 2U);
}

TEST_F(WorkflowActionsTest, events_that_wait_for_others_stay_and_none_is_added) {
  apply("schedule: {on: {all: [{with: {type: a}}, {with: {type: b}}]}}\ndo: [{s: {set: {n: 1}}}]\n");
  (void)receive("a");
  disable();
  EXPECT_TRUE(receive("b").instances.empty());
  EXPECT_EQ(list().front().schedule->gathered, 1U);
  enable();
  EXPECT_EQ(receive("b").instances.size(), 1U);
}

TEST_F(WorkflowActionsTest, a_schedule_begins_anew_when_its_workflow_is_enabled) {
  apply("schedule: {every: {hours: 1}}\ndo: [{s: {set: {n: 1}}}]\n");
  EXPECT_EQ(kernel_.next_timer(), kernel_.now + 1h);
  disable();
  EXPECT_EQ(kernel_.timers(), 0U);
  EXPECT_FALSE(list().front().schedule->due);
  kernel_.now = kernel_.now + 150min;
  apply("schedule: {every: {hours: 2}}\ndo: [{s: {set: {n: 1}}}]\n", "1.1.0");
  EXPECT_EQ(kernel_.timers(), 0U);
  enable();
  EXPECT_EQ(kernel_.next_timer(), kernel_.now + 2h);
  EXPECT_EQ(list().back().schedule->missed, 0U);
  EXPECT_EQ(running(), 0U);
}

TEST_F(WorkflowActionsTest, a_run_that_ends_while_it_is_disabled_brings_no_next_one) {
  apply("schedule: {after: {hours: 5}}\ndo: [{w: {wait: {hours: 1}}}]\n");
  ASSERT_TRUE(kernel_.fire_timer());
  ASSERT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(running(), 1U);
  disable();
  ASSERT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(running(), 0U);
  EXPECT_EQ(kernel_.timers(), 0U);
  enable();
  EXPECT_TRUE(kernel_.next_timer());
}

TEST_F(WorkflowActionsTest, a_workflow_that_runs_a_disabled_one_gets_an_error_that_it_can_catch) {
  apply("do: [{s: {set: {n: 1}}}]\n");
  const std::string runs = "{r: {run: {workflow: {namespace: test, name: it, version: latest}}}}";
  const definition::Name plain = apply("do: [" + runs + "]\n", "1.0.0", "plain");
  const definition::Name catches =
      apply("do: [{t: {try: [" + runs + "], catch: {errors: {with: {status: 400}}, do: [{c: {set: {caught: 1}}}]}}}]\n",
            "1.0.0", "catches");
  disable();
  const std::string failed = state(kernel_.start(plain));
  EXPECT_NE(failed.find("errors/configuration"), std::string::npos) << failed;
  EXPECT_NE(failed.find("the workflow test/it is disabled"), std::string::npos) << failed;
  EXPECT_EQ(state(kernel_.start(catches)), R"(completed {"caught":1})");
}

TEST_F(WorkflowActionsTest, it_is_deleted_while_instances_run_only_where_that_is_said) {
  const definition::Name name = apply(waits);
  apply(waits, "1.1.0");
  const InstanceId id = kernel_.start(name, R"({"n":7})");
  const auto refused = remove();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), base::ErrorCode::conflict);
  EXPECT_TRUE(refused.error().message().starts_with("1 instance of test/it has not ended"))
      << refused.error().message();
  EXPECT_EQ(list().size(), 2U);
  EXPECT_EQ(good(remove(true)).versions, (std::vector<std::string>{"1.0.0", "1.1.0"}));
  EXPECT_TRUE(list().empty());
  EXPECT_EQ(refusal(), "not_found: there is no workflow test/it");
  // The same version may have another text from here on; the instance has its own, also where nothing is in memory.
  apply("do: [{s: {set: {other: true}}}]\n");
  EXPECT_EQ(refusal(), "started");
  TestKernel again;
  again.replay(kernel_);
  again.now = kernel_.now;
  ASSERT_TRUE(again.fire_timer());
  EXPECT_EQ(again.detail(id).output, R"({"n":7})");
}

TEST_F(WorkflowActionsTest, a_deleted_one_leaves_no_schedule_and_no_subscription) {
  apply("schedule: {every: {hours: 1}}\ndo: [{s: {set: {n: 1}}}]\n");
  apply("schedule: {on: {one: {with: {type: go}}}}\ndo: [{s: {set: {n: 1}}}]\n", "2.0.0");
  EXPECT_EQ(good(remove()).versions.size(), 2U);
  EXPECT_TRUE(receive("go").instances.empty());
  EXPECT_EQ(kernel_.timers(), 0U);
  EXPECT_EQ(remove().error().code(), base::ErrorCode::not_found);
  apply("schedule: {every: {hours: 1}}\ndo: [{s: {set: {n: 1}}}]\n");
  EXPECT_EQ(kernel_.timers(), 1U);
  EXPECT_TRUE(remove());
  EXPECT_EQ(kernel_.timers(), 0U);
  apply("schedule: {every: {hours: 1}}\ndo: [{s: {set: {n: 1}}}]\n");
  disable();
  EXPECT_TRUE(remove());
  EXPECT_EQ(kernel_.timers(), 0U);
  apply(waits);
  EXPECT_EQ(refusal(), "started");
}

TEST_F(WorkflowActionsTest, the_past_of_a_deleted_ones_instances_is_there_but_starts_nothing) {
  const InstanceId id = kernel_.start(apply(waits));
  const base::Uuid event = kernel_.timeline(id).back().id;
  const auto fork_it = [&] {
    const Past past = [&] {
      const auto txn = kernel_.read();
      return good(behind(txn, kernel_.tables(), base::TenantId(kernel_.tenant), id, event, kernel_.record_at()));
    }();
    return kernel_.run([&](auto& txn, auto& here, auto those) { return fork(txn, here, those, id, past, {}); });
  };
  disable();
  EXPECT_EQ(fork_it().error().code(), base::ErrorCode::conflict);
  enable();
  EXPECT_TRUE(fork_it());
  ASSERT_TRUE(remove(true));
  EXPECT_EQ(fork_it().error().message(), "the workflow test/it was deleted, so that nothing starts an instance of it");
  EXPECT_EQ(kernel_.timeline(id).size(), 3U);
}

TEST_F(WorkflowActionsTest, other_workflows_and_tenants_are_not_touched) {
  apply(waits);
  apply(waits, "1.0.0", "it-2");
  kernel_.tenant = "globex";
  apply(waits);
  disable();
  EXPECT_TRUE(remove());
  kernel_.tenant = "acme";
  EXPECT_EQ(refusal(), "started");
  EXPECT_TRUE(remove(true));
  ASSERT_EQ(list().size(), 1U);
  EXPECT_EQ(list().front().name.name, "it-2");
}

}  // namespace
}  // namespace trv::instance::testing
