// What events start, and what their filters may cost.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/workflow/instance/decisions.hpp"
#include "kernel/workflow/instance/events.hpp"
#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

/// Applies a workflow that events of the type com.x start where `filter` lets them pass.
void listen(TestKernel& kernel, std::string_view name, std::string_view filter, std::string_view rest) {
  (void)kernel.apply_text(
      fmt::format("document: {{dsl: '1.0.3', namespace: test, name: {}, version: '1.0.0'}}\n"
                  "schedule: {{on: {{one: {{with: {{type: com.x, data: '{}'}}}}}}}}\n{}",
                  name, filter, rest));
}

TEST(Events, a_filter_that_runs_out_of_fuel_costs_its_own_workflow_only) {
  TestKernel kernel;
  for (int i = 0; i < 8; ++i) {
    listen(kernel, fmt::format("hungry-{}", i), "${ [range(900000)] | length > 0 }", "do: [{s: {set: {n: 1}}}]\n");
  }
  listen(kernel, "modest", "${ .n == 1 }", "do: [{s: {set: {n: 2}}}]\n");
  const auto received = good(kernel.run([&](auto& txn, auto& here, auto those) {
    DecisionBudget budget;
    return receive_event(txn, here, those, {.id = "1", .source = "s", .type = "com.x", .data = R"({"n":1})"}, budget);
  }));
  ASSERT_EQ(received.instances.size(), 1U);
  EXPECT_EQ(kernel.detail(received.instances[0]).summary.definition.name, "modest");
  EXPECT_EQ(kernel.detail(received.instances[0]).output, R"({"n":2})");
  EXPECT_EQ(std::ranges::count(received.decision.events, filter_failed_type, &record::Draft::type), 8);
}

TEST(Events, a_filter_that_fails_is_recorded_and_shown_with_its_workflow) {
  TestKernel kernel;
  listen(kernel, "it", "${ (.n | ascii_downcase) == \"a\" }", "do: [{s: {set: {n: 1}}}]\n");
  const auto send = [&](const std::string& id, const std::string& data) {
    return good(kernel.run([&](auto& txn, auto& here, auto those) {
             DecisionBudget budget;
             return receive_event(txn, here, those, {.id = id, .source = "s", .type = "com.x", .data = data}, budget);
           }))
        .instances.size();
  };
  EXPECT_EQ(send("1", R"({"n":"A"})"), 1U);
  const auto failures = [&] {
    return good(DefinitionStore(kernel.tables()).list(kernel.read(), base::TenantId("acme"), {}, 10))
        .items.at(0)
        .filter_failures;
  };
  EXPECT_EQ(failures().count, 0U);
  EXPECT_EQ(send("2", R"({"n":7})"), 0U);
  kernel.now = kernel.now + std::chrono::seconds(1);
  EXPECT_EQ(send("3", R"({"n":7})"), 0U);
  EXPECT_EQ(send("4", R"({"n":"b"})"), 0U) << "what the filter does not let pass is not a failure";
  EXPECT_EQ(failures().count, 2U);
  EXPECT_EQ(failures().event, "3");
  EXPECT_EQ(failures().time, kernel.now);
  EXPECT_NE(failures().reason.find("the filter of 'data'"), std::string::npos) << failures().reason;
}

TEST(Events, of_one_request_share_its_fuel_and_each_comes_to_its_end) {
  TestKernel kernel;
  listen(kernel, "it", "${ true }", "do: [{s: {set: {n: '${ last(range(100000)) }'}}}]\n");
  std::vector<InstanceId> instances;
  std::uint64_t fuel_left = 0;
  (void)good(kernel.run([&](auto& txn, auto& here, auto those) -> base::Result<StartedByEvent> {
    DecisionBudget budget;
    StartedByEvent all;
    for (int i = 0; i < 100; ++i) {
      TRV_TRY_ASSIGN(auto one, receive_event(txn, here, those,
                                             {.id = std::to_string(i), .source = "s", .type = "com.x", .data = "{}"},
                                             budget, 100));
      instances.insert(instances.end(), one.instances.begin(), one.instances.end());
      for (auto& event : one.decision.events) all.decision.events.push_back(std::move(event));
    }
    fuel_left = budget.fuel.left();
    return all;
  }));
  ASSERT_EQ(instances.size(), 100U);
  EXPECT_GT(fuel_left, 0U);
  EXPECT_GT(kernel.timers(), 80U);
  while (kernel.timers() > 0) ASSERT_TRUE(kernel.fire_timer());
  for (const InstanceId& id : instances) EXPECT_EQ(kernel.detail(id).output, R"({"n":99999})");
}

TEST(Definitions, are_not_compiled_by_a_decision_where_another_thread_can) {
  TestKernel kernel;
  const auto name = kernel.apply_text(document("do: [{w: {wait: {seconds: 1}}}]\n"));
  const InstanceId waits = kernel.start(name);
  listen(kernel, "listener", "${ true }", "do: [{s: {set: {n: 1}}}]\n");
  kernel.now = kernel.now + std::chrono::seconds(1);
  DefinitionCache cold(1);
  const Workflows restarted{kernel.tables(), cold, kernel.workflows().outbox};
  auto txn = kernel.read();
  auto here = kernel.context();
  // Fails once for each definition that is not in memory; the preparation makes up for it.
  const auto decided = [&](auto decide) {
    shard::Preparation prepare;
    here.prepare = &prepare;
    const auto refused = decide();
    EXPECT_FALSE(refused);
    if (refused || !prepare) return false;
    EXPECT_EQ(refused.error().code(), base::ErrorCode::unavailable) << refused.error().message();
    prepare(txn);
    return decide().has_value();
  };
  EXPECT_TRUE(decided([&] { return timer(txn, here, restarted, waits); }));
  EXPECT_TRUE(decided([&] {
    DecisionBudget budget;
    return receive_event(txn, here, restarted, {.id = "1", .source = "s", .type = "com.x"}, budget);
  }));
  EXPECT_TRUE(decided([&] {
    return start(txn, here, restarted, {.space = name.space, .name = name.name, .version = {}, .input = {}});
  }));
  here.prepare = nullptr;
  EXPECT_TRUE(timer(txn, here, Workflows{kernel.tables(), cold, kernel.workflows().outbox}, waits));
}

TEST(Events, of_one_request_share_the_bytes_of_a_decision_also_for_their_effects) {
  TestKernel kernel;
  listen(kernel, "it", "${ true }", "do: [{c: {call: 'a.b:1.0.0@default', with: {text: '${ \"x\" * 200000 }'}}}]\n");
  std::size_t bytes = 0;
  std::size_t effects = 0;
  const auto started = good(kernel.run([&](auto& txn, auto& here, auto those) -> base::Result<StartedByEvent> {
    StartedByEvent all;
    DecisionBudget budget;
    for (int i = 0; i < 100; ++i) {
      TRV_TRY_ASSIGN(auto one, receive_event(txn, here, those,
                                             {.id = std::to_string(i), .source = "s", .type = "com.x", .data = "{}"},
                                             budget, 100));
      all.instances.insert(all.instances.end(), one.instances.begin(), one.instances.end());
      all.decision.append(std::move(one.decision));
    }
    for (const auto& event : all.decision.events) bytes += event.payload.size();
    effects = all.decision.effects.size();
    return all;
  }));
  ASSERT_EQ(started.instances.size(), 100U);
  EXPECT_GT(effects, 10U);
  EXPECT_LT(effects, 100U);
  EXPECT_LT(bytes, event_bytes_per_decision_max + 1'000'000);
  EXPECT_GT(kernel.timers(), 0U);
  while (kernel.timers() > 0) ASSERT_TRUE(kernel.fire_timer());
  EXPECT_EQ(kernel.pending().size(), 100U) << "each comes to its effect";
}

}  // namespace
}  // namespace trv::instance::testing
