// Loops over many items, lists of instances, and timelines read from the log.

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

constexpr std::string_view call_text = R"(
do:
  - create: {call: "a.b:1.2.0@default", with: {title: "${ .title }"}, metadata: {connection: main}, timeout: {after: PT5S}}
  - done: {set: {key: "${ .key }", from: "${ $workflow.input.title }"}}
)";

/// Loops over `count` items of 18 bytes, each in a call or in a `set`, to its end.
struct Loop {
  double log_bytes = 0;    ///< for one item
  double cpu_seconds = 0;  ///< for one item
  std::size_t row_bytes_max = 0;
};
Loop loop_over(std::size_t count, std::string_view body) {
  TestKernel kernel;
  std::string input = "{\"l\":[";
  for (std::size_t i = 0; i < count; ++i) input += fmt::format("{}\"item {:010}\"", i == 0 ? "" : ",", i);
  input += "]}";
  const auto name = kernel.apply_text(document(
      fmt::format("do: [{{f: {{for: {{in: .l}}, do: [{{s: {}}}], output: {{as: '$input.l | length'}}}}}}]\n", body)));
  const std::size_t bytes_before = kernel.log_bytes();
  const std::clock_t before = std::clock();
  const InstanceId id = kernel.start(name, input);
  Loop out;
  while (kernel.fire_timer() || !kernel.pending().empty()) {
    for (const auto& effect : kernel.pending()) (void)good(kernel.succeed(effect.key, "1"));
    auto txn = kernel.read();
    const auto row = good(kernel.tables().instances.get(txn, instance_key("acme", id)));
    out.row_bytes_max = std::max(out.row_bytes_max, row->size());
  }
  const auto per_item = static_cast<double>(count);
  out.cpu_seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC / per_item;
  out.log_bytes = static_cast<double>(kernel.log_bytes() - bytes_before) / per_item;
  EXPECT_EQ(kernel.detail(id).output, std::to_string(count));
  auto txn = kernel.read();
  EXPECT_EQ(good(kernel.tables().frames.count(txn)), 0U);
  return out;
}

TEST(Loops, cost_each_item_the_same_however_many_there_are) {
  for (const std::string_view body :
       {"{set: {x: '${ $item }'}}", "{call: \"a.b:1.0.0@default\", with: {x: '${ $item }'}}"}) {
    SCOPED_TRACE(body);
    const std::size_t few = body.starts_with("{set") ? 1'000 : 200;
    const Loop small = loop_over(few, body);
    const Loop large = loop_over(10 * few, body);
    EXPECT_LT(large.log_bytes, small.log_bytes * 1.2);
    EXPECT_GT(large.log_bytes, small.log_bytes * 0.8);
    EXPECT_LT(large.row_bytes_max, 2'000U);
    // Others use this machine too; what is paid for each item again would cost ten times as much.
    EXPECT_LT(large.cpu_seconds, small.cpu_seconds * 2 + 20e-6);
  }
}

TEST(Loops, within_loops_keep_their_items_over_waits) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(
      document("do: [{o: {for: {each: x, in: '[range(150)]'}, do: [{i: {for: {each: y, in: '[$x, $x + 1]'}, do: ["
               "{w: {if: '$x % 50 == 49', wait: PT1S}}, {s: {set: {n: '${ (.n // 0) + $x * 1000 + $y }'}}}]}}]}}]\n")));
  while (kernel.fire_timer()) {
  }
  std::int64_t sum = 0;
  for (std::int64_t x = 0; x < 150; ++x) sum += 2 * x * 1000 + 2 * x + 1;
  EXPECT_EQ(kernel.detail(id).output, fmt::format("{{\"n\":{}}}", sum));
  auto txn = kernel.read();
  EXPECT_EQ(good(kernel.tables().frames.count(txn)), 0U);
}

std::vector<std::string> outcomes_of(TestKernel& kernel, const InstanceId& id) {
  std::vector<std::string> out;
  for (const InstanceStep& step : kernel.timeline(id)) out.push_back(step.type.substr(4) + " " + step.outcome);
  return out;
}

TEST(Calls, leave_two_records_and_an_output_that_nothing_changes_once) {
  TestKernel kernel;
  const InstanceId id =
      kernel.start(kernel.apply_text(document("do: [{c: {call: \"a.b:1.2.0@default\", with: {}}}]\n")));
  EXPECT_EQ(kernel.events_last(), 2U);
  const std::string output = "{\"text\":\"" + std::string(20'000, 'x') + "\"}";
  const std::size_t before = kernel.log_bytes();
  (void)good(kernel.succeed(kernel.pending()[0].key, output));
  EXPECT_EQ(kernel.events_last(), 2U);
  EXPECT_LT(kernel.log_bytes() - before, output.size() + 2'000);
  EXPECT_EQ(kernel.detail(id).output, output);
  EXPECT_EQ(outcomes_of(kernel, id),
            (std::vector<std::string>{"instance.started started", "effect.requested started",
                                      "effect.succeeded completed", "instance.completed completed"}));
  EXPECT_EQ(kernel.timeline(id)[2].output, output);
  EXPECT_EQ(kernel.detail(id).summary.steps, 4U);
}

TEST(Calls, that_fail_are_one_record_and_an_answer_that_their_task_cannot_use_is_two) {
  TestKernel kernel;
  const auto name =
      kernel.apply_text(document("do: [{c: {call: http, with: {method: get, endpoint: 'https://example.com/x'}}}]\n"));
  const InstanceId failed = kernel.start(name);
  (void)good(kernel.fail(kernel.pending()[0].key, "unavailable"));
  EXPECT_EQ(outcomes_of(kernel, failed),
            (std::vector<std::string>{"instance.started started", "effect.requested started", "effect.failed faulted",
                                      "instance.faulted faulted"}));
  EXPECT_NE(kernel.timeline(failed)[2].error.find("it went wrong"), std::string::npos);
  const InstanceId absent = kernel.start(name);
  (void)good(kernel.answer(kernel.pending()[0].key, 404, "null"));
  EXPECT_EQ(kernel.events_last(), 3U) << "the effect, the task and the instance";
  EXPECT_EQ(outcomes_of(kernel, absent),
            (std::vector<std::string>{"instance.started started", "effect.requested started", "task.faulted faulted",
                                      "instance.faulted faulted"}));
  EXPECT_EQ(kernel.detail(absent).summary.steps, 4U);
}

TEST(Calls, are_repeated_by_the_kernel_only_where_no_retry_is_around_them) {
  TestKernel kernel;
  const std::string one = "{call: 'a.b:1.2.0@default', with: {}}";
  const InstanceId id = kernel.start(kernel.apply_text(
      document("do:\n  - alone: " + one + "\n  - caught: {try: [{c: " + one + "}], catch: {do: [{mend: " + one +
               "}]}}\n  - again:\n      try: [{deep: {fork: {branches: [{c: " + one +
               "}]}}}]\n      catch: {retry: {limit: {attempt: {count: 1}}}, do: [{mend: " + one + "}]}\n")));
  std::vector<std::string> seen;
  while (!kernel.pending().empty()) {
    const shard::Effect effect = kernel.pending()[0];
    seen.push_back(effect.task + (effect.is_tried_once ? " once" : ""));
    const bool fails = effect.task.find("/try/") != std::string::npos;
    if (fails) {
      (void)good(kernel.fail(effect.key, "unavailable"));
    } else {
      (void)good(kernel.succeed(effect.key, "{}"));
    }
  }
  EXPECT_EQ(seen,
            (std::vector<std::string>{"/do/0/alone", "/do/1/caught/try/0/c", "/do/1/caught/catch/do/0/mend",
                                      "/do/2/again/try/0/deep/fork/branches/0/c once",
                                      "/do/2/again/try/0/deep/fork/branches/0/c once", "/do/2/again/catch/do/0/mend"}));
  EXPECT_EQ(kernel.detail(id).summary.status, Status::completed);
}

TEST(Calls, export_a_context_that_is_read_from_their_outcome_when_the_instance_has_ended) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(
      document("do: [{c: {call: \"a.b:1.2.0@default\", with: {}, output: {as: .n}, export: {as: '{seen: .}'}}}]\n")));
  (void)good(kernel.succeed(kernel.pending()[0].key, R"({"n": 7})"));
  EXPECT_EQ(kernel.detail(id).output, "7");
  EXPECT_EQ(kernel.detail(id).context, R"({"seen":7})");
}

TEST(Calls, that_are_parked_and_released_show_it) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(document(call_text)), R"({"title":"hello"})");
  const shard::Effect effect = kernel.pending()[0];
  for (const bool parks : {true, false}) {
    EXPECT_EQ(kernel.detail(id).waits_for.at(0).key, effect.key);
    EXPECT_EQ(kernel.detail(id).waits_for.at(0).position, parks ? effect.position : record::Lsn(0));
    (void)good(kernel.run([&](auto&, auto& here, auto) -> base::Result<shard::Decision> {
      shard::Decision decision;
      decision.events.push_back(parks ? shard::effect_parked(here, effect, 3) : shard::effect_released(here, effect));
      return decision;
    }));
  }
  const auto steps = kernel.timeline(id);
  ASSERT_EQ(steps.size(), 4U);
  for (const std::size_t i : {2, 3}) {
    EXPECT_EQ(steps[i].outcome, i == 2 ? "parked" : "released");
    EXPECT_EQ(steps[i].task, "create");
    EXPECT_EQ(steps[i].reference, "/do/0/create");
  }
  EXPECT_EQ(kernel.detail(id).waits_for.at(0).position, kernel.pending()[0].position);
  EXPECT_GT(kernel.pending()[0].position, effect.position);
  (void)good(kernel.succeed(effect.key, "{}"));
  EXPECT_TRUE(kernel.detail(id).waits_for.empty());
  EXPECT_TRUE(kernel.pending().empty());
}

TEST(Timelines, show_what_went_in_and_what_came_out_page_by_page) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(document(call_text)), R"({"title":"hello"})");
  (void)good(kernel.succeed(kernel.pending()[0].key, R"({"key":"X-1"})"));
  const auto steps = kernel.timeline(id);
  ASSERT_EQ(steps.size(), 5U);
  EXPECT_EQ(steps[0].input, R"({"title":"hello"})");
  EXPECT_EQ(steps[1].input, R"({"title":"hello"})");
  EXPECT_EQ(steps[2].output, R"({"key":"X-1"})");
  EXPECT_EQ(steps[3].output, R"({"key":"X-1","from":"hello"})");
  auto txn = kernel.read();
  const InstanceStore store(kernel.tables());
  std::string cursor;
  std::size_t pages = 0;
  for (; pages == 0 || !cursor.empty(); ++pages) {
    const auto page = good(store.timeline(txn, base::TenantId("acme"), id, cursor, 1, kernel.record_at()));
    ASSERT_EQ(page.items.size(), 1U);
    EXPECT_EQ(page.items[0].lsn, steps[pages].lsn);
    EXPECT_EQ(page.items[0].input, steps[pages].input);
    cursor = page.next;
  }
  EXPECT_EQ(pages, 5U);
  EXPECT_EQ(store.timeline(txn, base::TenantId("other"), id, {}, 1, kernel.record_at()).error().code(),
            base::ErrorCode::not_found);
}

TEST(Timelines, of_many_decisions_are_found_from_any_place) {
  TestKernel kernel;
  const auto name = kernel.apply_text(document("do: [{f: {for: {in: '[range(200)]'}, do: [{w: {wait: PT1S}}]}}]\n"));
  // Each fires its timer in turn, so that no decision's records follow those of the one before.
  const InstanceId id = kernel.start(name);
  (void)kernel.start(name);
  while (kernel.fire_timer()) {
  }
  const auto steps = kernel.timeline(id);
  EXPECT_EQ(steps.size(), kernel.detail(id).summary.steps);
  auto txn = kernel.read();
  EXPECT_GT(good(kernel.tables().positions.count(txn)), 4U);
  const InstanceStore store(kernel.tables());
  for (std::size_t i = 0; i < steps.size(); i += 13) {
    const auto page = good(
        store.timeline(txn, base::TenantId("acme"), id, std::to_string(steps[i].lsn.value()), 3, kernel.record_at()));
    ASSERT_EQ(page.items.size(), std::min<std::size_t>(3, steps.size() - i));
    for (std::size_t k = 0; k < page.items.size(); ++k) EXPECT_EQ(page.items[k].lsn, steps[i + k].lsn);
  }
}

TEST(Instances, lists_are_by_time_and_by_tenant) {
  TestKernel kernel;
  const auto name = kernel.apply_text(document("do: [{s: {set: {x: 1}}}]\n"));
  std::vector<InstanceId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(kernel.start(name));
  auto txn = kernel.read();
  const InstanceStore store(kernel.tables());
  const auto page = good(store.list(txn, base::TenantId("acme"), {.status = Status::completed}, {}, 3));
  ASSERT_EQ(page.items.size(), 3U);
  EXPECT_EQ(page.items[0].id, ids[4]);
  const auto rest = good(store.list(txn, base::TenantId("acme"), {}, page.next, 3));
  ASSERT_EQ(rest.items.size(), 2U);
  EXPECT_EQ(rest.items[1].id, ids[0]);
  EXPECT_TRUE(rest.next.empty());
  EXPECT_TRUE(good(store.list(txn, base::TenantId("acme"), {.status = Status::faulted}, {}, 3)).items.empty());
  EXPECT_TRUE(good(store.list(txn, base::TenantId("acm"), {}, {}, 3)).items.empty());
  EXPECT_FALSE(store.list(txn, base::TenantId("acme"), {}, "nonsense", 3));
}

}  // namespace
}  // namespace trv::instance::testing
