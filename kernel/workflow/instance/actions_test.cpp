// What operators do to instances, and what becomes of them.

#include "kernel/workflow/instance/actions.hpp"

#include <fmt/format.h>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

class ActionsTest : public WorkflowTest {
 protected:
  /// Of a workflow of its own.
  InstanceId start(std::string_view rest) {
    std::string text = document(rest);
    text.replace(text.find("it,"), 2, fmt::format("it{}", ++started_));
    return kernel_.start(kernel_.apply_text(text), R"({"n":1})");
  }
  base::Status suspend(const InstanceId& id) { return run(id, instance::suspend); }
  base::Status resume(const InstanceId& id) { return run(id, instance::resume); }
  base::Status cancel(const InstanceId& id) { return run(id, instance::cancel); }

  base::Status retry(const InstanceId& id, const Retry& command = {}) {
    base::Result<Past> past = [&] {
      const auto txn = kernel_.read();
      return before_failure(txn, kernel_.tables(), base::TenantId(kernel_.tenant), id, kernel_.record_at());
    }();
    if (!past) return base::fail(past.error());
    return status_of(kernel_.run(
        [&](auto& txn, auto& here, auto those) { return instance::retry(txn, here, those, id, *past, command); }));
  }
  shard::Effect pending(std::string_view task) {
    for (shard::Effect& one : kernel_.pending()) {
      if (one.task == task) return one;
    }
    ADD_FAILURE() << "no effect of " << task;
    return {};
  }
  /// And its steps are counted right.
  void expect_replay(const InstanceId& id) {
    WorkflowTest::expect_replay();
    EXPECT_EQ(kernel_.timeline(id).size(), kernel_.detail(id).summary.steps);
  }

  base::Status run(const InstanceId& id, decltype(&instance::suspend) operation) {
    return status_of(
        kernel_.run([&](auto& txn, auto& here, auto those) { return operation(txn, here, those, id, "to look"); }));
  }
  static base::Status status_of(const base::Result<Acted>& result) {
    return result ? base::Status() : base::fail(result.error());
  }

  int started_ = 0;
};

TEST_F(ActionsTest, no_timer_of_a_suspended_instance_is_due_before_it_is_resumed) {
  const InstanceId id = start(
      "do: [{f: {fork: {branches: [{a: {wait: {seconds: 5}}}, {b: {do: [{c: {wait: {seconds: 9}}}]}}]}}}, "
      "{s: {set: {done: true}}}]\n");
  EXPECT_EQ(kernel_.timers(), 2U);
  ASSERT_TRUE(suspend(id));
  EXPECT_EQ(kernel_.timers(), 0U);
  EXPECT_EQ(state(id), "suspended ");
  EXPECT_FALSE(kernel_.detail(id).due);
  EXPECT_EQ(suspend(id).error().code(), base::ErrorCode::conflict);
  kernel_.now = kernel_.now + std::chrono::seconds(6);
  ASSERT_TRUE(resume(id));
  EXPECT_EQ(state(id), "running ");
  EXPECT_EQ(kernel_.timers(), 1U);
  EXPECT_EQ(resume(id).error().code(), base::ErrorCode::conflict);
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(state(id), R"(completed {"done":true})");
  EXPECT_EQ(suspend(id).error().message(), fmt::format("the instance {} has completed already", id.to_string()));
}

TEST_F(ActionsTest, an_outcome_is_taken_and_the_next_task_waits) {
  const InstanceId id = start("do: [{a: {call: 'p.o:1.0.0@default'}}, {b: {call: 'p.o:1.0.0@default'}}]\n");
  ASSERT_TRUE(suspend(id));
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "7"));
  EXPECT_TRUE(kernel_.pending().empty());
  EXPECT_EQ(state(id), "suspended ");
  ASSERT_TRUE(resume(id));
  ASSERT_EQ(kernel_.pending().size(), 1U);
  EXPECT_EQ(kernel_.pending().front().task, "/do/1/b");
}

TEST_F(ActionsTest, an_error_is_handled_once_it_is_resumed) {
  const InstanceId id =
      start("do: [{t: {try: [{a: {call: 'p.o:1.0.0@default'}}], catch: {do: [{c: {set: '${ 418 }'}}]}}}]\n");
  ASSERT_TRUE(suspend(id));
  ASSERT_TRUE(kernel_.fail(kernel_.pending().front().key, "unavailable"));
  EXPECT_EQ(state(id), "suspended ");
  ASSERT_TRUE(resume(id));
  EXPECT_EQ(state(id), R"(completed 418)");
}

TEST_F(ActionsTest, what_timed_out_meanwhile_does_so_when_it_is_resumed) {
  const InstanceId id = start("do: [{w: {wait: {hours: 1}, timeout: {after: PT5S}}}]\n");
  ASSERT_TRUE(suspend(id));
  kernel_.now = kernel_.now + std::chrono::seconds(6);
  ASSERT_TRUE(resume(id));
  EXPECT_TRUE(state(id).starts_with("faulted")) << state(id);
}

TEST_F(ActionsTest, a_suspended_instance_hears_and_can_be_cancelled) {
  const InstanceId id = start("do: [{l: {listen: {to: {one: {with: {type: a}}}}}}, {w: {wait: {hours: 1}}}]\n");
  ASSERT_TRUE(suspend(id));
  const auto heard = kernel_.run([&](auto& txn, auto& here, auto those) {
    DecisionBudget budget;
    return receive_event(txn, here, those, {.id = "1", .source = "s", .type = "a", .data = "5"}, budget);
  });
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->heard, std::vector{id});
  EXPECT_EQ(state(id), "suspended ");
  ASSERT_TRUE(resume(id));
  EXPECT_EQ(kernel_.detail(id).summary.current_task, "/do/1/w");
  ASSERT_TRUE(suspend(id));
  ASSERT_TRUE(cancel(id));
  EXPECT_EQ(state(id), "cancelled ");
  EXPECT_EQ(kernel_.timers(), 0U);
}

TEST_F(ActionsTest, a_list_finds_the_suspended) {
  const InstanceId id = start("do: [{w: {wait: {hours: 1}}}]\n");
  (void)start("do: [{w: {wait: {hours: 1}}}]\n");
  ASSERT_TRUE(suspend(id));
  const auto txn = kernel_.read();
  const InstanceStore store(kernel_.tables());
  const auto found = good(store.list(txn, base::TenantId(kernel_.tenant), {.status = Status::suspended}, {}, 10));
  ASSERT_EQ(found.items.size(), 1U);
  EXPECT_EQ(found.items.front().id, id);
  EXPECT_EQ(good(store.list(txn, base::TenantId(kernel_.tenant), {.status = Status::running}, {}, 10)).items.size(),
            1U);
}

TEST_F(ActionsTest, a_call_that_failed_is_made_again_with_another_key) {
  const InstanceId id = start(
      "do: [{s: {set: {n: 2}, export: {as: '{kept: .n}'}}}, {a: {input: {from: .n}, call: 'p.o:1.0.0@default', with: "
      "{n: '${ . }'}, output: {as: '{got: ., in: $input, kept: $context.kept}'}}}]\n");
  const std::string key = kernel_.pending().front().key;
  ASSERT_TRUE(kernel_.fail(key, "unavailable"));
  EXPECT_TRUE(state(id).starts_with("faulted"));
  ASSERT_TRUE(retry(id));
  ASSERT_EQ(kernel_.pending().size(), 1U);
  EXPECT_NE(kernel_.pending().front().key, key);
  EXPECT_EQ(kernel_.pending().front().input, R"({"n":2})");
  EXPECT_EQ(state(id), "running ");
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "7"));
  EXPECT_EQ(state(id), R"(completed {"got":7,"in":2,"kept":2})");
  EXPECT_EQ(kernel_.detail(id).context, R"({"kept":2})");
  EXPECT_EQ(kernel_.detail(id).input, R"({"n":1})");
  expect_replay(id);
}

TEST_F(ActionsTest, it_goes_on_in_the_middle_of_loops_and_tries) {
  const InstanceId id = start(
      "do: [{l: {for: {each: x, in: '[10, 20, 30]'}, do: [{t: {try: [{a: {call: 'p.o:1.0.0@default', with: {x: '${ $x "
      "}'}}}], catch: {errors: {with: {status: 418}}, do: [{c: {set: '${ 418 }'}}]}}}, {b: {set: '${ [., $x] "
      "}'}}]}}]\n");
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "1"));
  ASSERT_TRUE(kernel_.fail(kernel_.pending().front().key, "unavailable", 500));
  EXPECT_TRUE(state(id).starts_with("faulted"));
  ASSERT_TRUE(retry(id));
  EXPECT_EQ(kernel_.pending().front().input, R"({"x":20})");
  // It fails once more, and is tried once more.
  ASSERT_TRUE(kernel_.fail(kernel_.pending().front().key, "unavailable", 500));
  ASSERT_TRUE(retry(id));
  ASSERT_TRUE(kernel_.fail(kernel_.pending().front().key, "teapot", 418));
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "3"));
  EXPECT_EQ(state(id), "completed [3,30]");
  expect_replay(id);
}

TEST_F(ActionsTest, a_task_that_failed_while_it_processed_an_event_listens_anew) {
  const InstanceId id = start(
      "do: [{l: {listen: {to: {any: [{with: {type: a}}], until: 'length == 1'}}, foreach: {do: [{f: {fork: {branches: "
      "[{c: {call: 'p.o:1.0.0@default', with: {x: '${ $item }'}}}, {w: {wait: {hours: 1}}}]}}}]}}}]\n");
  int sent = 0;
  const auto send = [&](std::string_view data) {
    DecisionBudget budget;
    return good(kernel_.run([&](auto& txn, auto& here, auto those) {
             return receive_event(txn, here, those,
                                  {.id = std::to_string(++sent), .source = "s", .type = "a", .data = std::string(data)},
                                  budget);
           }))
        .heard.size();
  };
  EXPECT_EQ(send("1"), 1U);
  EXPECT_EQ(send("2"), 1U);
  ASSERT_TRUE(kernel_.fail(kernel_.pending().front().key, "unavailable"));
  EXPECT_TRUE(state(id).starts_with("faulted"));
  EXPECT_EQ(retry(id, {.skips = true}).error().code(), base::ErrorCode::conflict);
  ASSERT_TRUE(retry(id));
  EXPECT_TRUE(kernel_.pending().empty());
  EXPECT_EQ(send("3"), 1U);
  EXPECT_EQ(kernel_.pending().front().input, R"({"x":3})");
  expect_replay(id);
}

TEST_F(ActionsTest, every_branch_of_a_fork_goes_on) {
  const InstanceId id = start(
      "do: [{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {b: {do: [{s: {set: '${ 5 }', export: {as: '{b: "
      ".}'}}}, "
      "{c: {call: 'p.o:1.0.0@default'}}]}}, {w: {wait: {seconds: 9}}}, {d: {set: '${ 4 }'}}, {l: {listen: {to: {one: "
      "{with: {type: a}}}}}}]}}}]\n");
  ASSERT_EQ(kernel_.pending().size(), 2U);
  ASSERT_TRUE(kernel_.fail(pending("/do/0/f/fork/branches/0/a").key, "unavailable"));
  EXPECT_TRUE(state(id).starts_with("faulted"));
  EXPECT_TRUE(kernel_.pending().empty());
  ASSERT_TRUE(retry(id));
  EXPECT_EQ(kernel_.pending().size(), 2U);
  EXPECT_EQ(kernel_.timers(), 1U);
  expect_replay(id);
  ASSERT_TRUE(kernel_.succeed(pending("/do/0/f/fork/branches/0/a").key, "1"));
  ASSERT_TRUE(kernel_.succeed(pending("/do/0/f/fork/branches/1/b/do/1/c").key, "2"));
  const auto heard = kernel_.run([&](auto& txn, auto& here, auto those) {
    DecisionBudget budget;
    return receive_event(txn, here, those, {.id = "1", .source = "s", .type = "a", .data = "5"}, budget);
  });
  ASSERT_TRUE(heard && heard->heard.size() == 1);
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(state(id), R"(completed [1,2,{"n":1},4,[5]])");
  EXPECT_EQ(kernel_.detail(id).context, R"({"b":5})");
  expect_replay(id);
}

TEST_F(ActionsTest, the_task_gets_another_input_or_is_skipped) {
  constexpr std::string_view text = "do: [{a: {set: '${ {v: (.v | explode)} }'}}, {b: {set: '${ [.] }'}}]\n";
  const InstanceId other = start(text);
  EXPECT_TRUE(state(other).starts_with("faulted"));
  ASSERT_TRUE(retry(other, {.data = good(json::parse(R"({"v":"A"})"))}));
  EXPECT_EQ(state(other), R"(completed [{"v":[65]}])");
  const InstanceId skipped = start(text);
  ASSERT_TRUE(retry(skipped, {.skips = true, .data = good(json::parse("3"))}));
  EXPECT_EQ(state(skipped), "completed [3]");
  const InstanceId kept = start(text);
  ASSERT_TRUE(retry(kept, {.skips = true}));
  EXPECT_EQ(state(kept), R"(completed [{"n":1}])");
  // Unchanged, it fails again.
  const InstanceId again = start(text);
  ASSERT_TRUE(retry(again));
  EXPECT_TRUE(state(again).starts_with("faulted"));
  const auto steps = kernel_.timeline(again);
  EXPECT_EQ(steps.size(), kernel_.detail(again).summary.steps);
}

TEST_F(ActionsTest, a_mended_version_takes_it_over) {
  const InstanceId id = start(
      "do: [{l: {for: {each: x, in: '[1, 2]'}, do: [{a: {set: '${ {n: (.n + $x)} }'}}, {b: {set: '${ {n: (.n | "
      "explode)} }'}}]}}]\n");
  EXPECT_TRUE(state(id).starts_with("faulted"));
  const auto version = [](std::string_view number, std::string_view rest) {
    std::string text = document(rest);
    text.replace(text.find("it,"), 2, "it1");
    return text.replace(text.find("1.0.0'", text.find("version")), 5, number);
  };
  (void)kernel_.apply_text(version("2.0.0", "do: [{other: {set: '${ 1 }'}}]\n"));
  (void)kernel_.apply_text(
      version("3.0.0",
              "do: [{first: {set: '${ 1 }'}}, {l: {for: {each: x, in: '[1, 2]'}, do: [{z: {set: {n: 0}}}, {a: {set: "
              "'${ {n: (.n + $x)} "
              "}'}}, {b: {set: '${ {n: (.n * 10)} }'}}, {skip: {if: '${ false }', set: '${ 1 }'}}]}}]\n"));
  const auto refused = retry(id, {.version = "2.0.0"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "version 2.0.0 lacks what the instance is in the middle of: '/do/0/l' (for), '/do/0/l/do/1/b' (set); a "
            "task is found by its name and kind, below tasks of the same names");
  ASSERT_TRUE(retry(id, {.version = "3.0.0"}));
  EXPECT_EQ(state(id), R"(completed {"n":20})");
  EXPECT_EQ(kernel_.detail(id).summary.definition.version, "3.0.0");
  expect_replay(id);
}

TEST_F(ActionsTest, another_version_finds_tasks_in_functions_and_extensions) {
  const std::string use =
      "use: {functions: {f: {do: [{c: {call: 'p.o:1.0.0@default'}}]}}, extensions: [{e: {extend: call, when: "
      "'$task.name == \"a\"', before: [{x: {set: {n: 1}}}]}}]}\n";
  const InstanceId id = start(use + "do: [{a: {call: f, then: z}}, {b: {set: {n: 3}}}, {z: {set: {n: 9}}}]\n");
  ASSERT_EQ(kernel_.pending().size(), 1U);
  ASSERT_TRUE(kernel_.fail(kernel_.pending().front().key, "unavailable"));
  std::string text = document(use + "do: [{first: {set: {n: 0}}}, {a: {call: f, then: z}}, {z: {set: {n: 9}}}]\n");
  text.replace(text.find("it,"), 2, "it1");
  (void)kernel_.apply_text(text.replace(text.find("1.0.0'", text.find("version")), 5, "2.0.0"));
  ASSERT_TRUE(retry(id, {.version = "2.0.0"}));
  ASSERT_EQ(kernel_.pending().size(), 1U);
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "7"));
  EXPECT_EQ(state(id), R"(completed {"n":9})");
  expect_replay(id);
}

TEST_F(ActionsTest, what_cannot_be_tried_again_says_why) {
  const InstanceId runs = start("do: [{w: {wait: {hours: 1}}}]\n");
  EXPECT_EQ(retry(runs).error().message(),
            fmt::format("the instance {} has not faulted: there is nothing to try again", runs.to_string()));
  const InstanceId early = start("input: {from: '.n | explode'}\ndo: [{s: {set: '${ 1 }'}}]\n");
  EXPECT_EQ(
      retry(early).error().message(),
      fmt::format("the instance {} failed before its first task; start it anew with another input", early.to_string()));
  const InstanceId scope = start("do: [{d: {do: [{s: {set: '${ 1 }'}}], output: {as: '. | explode'}}}]\n");
  EXPECT_EQ(retry(scope, {.skips = true}).error().message(),
            "'/do/0/d' failed after its tasks had run; only a task that is about to begin can be skipped or be given "
            "another input");
}

TEST_F(ActionsTest, what_timed_out_has_its_whole_time_again) {
  const InstanceId id = start(
      "timeout: {after: PT10S}\ndo: [{a: {wait: {seconds: 4}}}, {b: {call: "
      "'p.o:1.0.0@default'}}]\n");
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_TRUE(state(id).starts_with("faulted"));
  kernel_.now = kernel_.now + std::chrono::hours(1);
  ASSERT_TRUE(retry(id));
  EXPECT_EQ(state(id), "running ");
  EXPECT_EQ(kernel_.timers(), 1U);
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "1"));
  EXPECT_EQ(state(id), "completed 1");
}

}  // namespace
}  // namespace trv::instance::testing
