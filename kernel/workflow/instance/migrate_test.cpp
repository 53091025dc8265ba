// Instances that go on in another version of their workflow while they wait.

#include <fmt/format.h>

#include <set>

#include "kernel/workflow/instance/actions.hpp"
#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

class MigrateTest : public WorkflowTest {
 protected:
  definition::Name apply(std::string_view version, std::string_view rest) {
    std::string text = document(rest);
    return kernel_.apply_text(text.replace(text.find("1.0.0'", text.find("version")), 5, version));
  }
  InstanceId start(std::string_view rest) { return kernel_.start(apply("1.0.0", rest), R"({"n":1})"); }
  base::Result<Migrated> migrate(const InstanceId& id, std::string version = "2.0.0",
                                 std::vector<TaskMapping> mapping = {}, bool is_dry_run = false) {
    return kernel_.run([&](auto& txn, auto& here, auto those) {
      return instance::migrate(txn, here, those, id,
                               {.version = version, .mapping = mapping, .reason = "mended", .is_dry_run = is_dry_run});
    });
  }
  std::vector<std::string> problems(const InstanceId& id, std::vector<TaskMapping> mapping = {}) {
    const auto tried = migrate(id, "2.0.0", mapping, true);
    EXPECT_TRUE(tried) << tried.error().message();
    EXPECT_TRUE(!tried || tried->decision.events.empty());
    const auto done = migrate(id, "2.0.0", std::move(mapping));
    if (tried && !tried->problems.empty()) {
      EXPECT_EQ(done.error().code(), base::ErrorCode::conflict);
      for (const std::string& one : tried->problems) {
        EXPECT_NE(done.error().message().find(one), std::string::npos) << done.error().message();
      }
    }
    return tried ? tried->problems : std::vector<std::string>();
  }
  void hear(std::string type, std::string data) {
    (void)good(kernel_.run([&](auto& txn, auto& here, auto those) {
      DecisionBudget budget;
      return receive_event(txn, here, those, {.id = type + data, .source = "/s", .type = type, .data = data}, budget);
    }));
  }
};

TEST_F(MigrateTest, a_call_under_way_keeps_its_key_and_the_new_version_takes_its_outcome) {
  const InstanceId id = start("do: [{a: {call: 'p.o:1.0.0@default'}}]\n");
  const std::string key = kernel_.pending().front().key;
  (void)apply("2.0.0",
              "do: [{x: {set: {n: 0}}}, {a: {call: 'p.o:1.0.0@default', output: {as: '[.]'}}}, {b: {call: "
              "'p.o:1.0.0@default', with: {got: '${ . }'}}}]\n");
  const auto migrated = migrate(id);
  ASSERT_TRUE(migrated) << migrated.error().message();
  EXPECT_EQ(migrated->tasks, (std::vector<MappedTask>{{root_branch, "/do/0/a", "/do/1/a", "call"}}));
  EXPECT_EQ(kernel_.detail(id).summary.definition.version, "2.0.0");
  ASSERT_EQ(kernel_.pending().size(), 1U);
  EXPECT_EQ(kernel_.pending().front().key, key);
  EXPECT_EQ(kernel_.detail(id).waits_for.front().key, key);
  expect_replay();
  ASSERT_TRUE(kernel_.succeed(key, "7"));
  ASSERT_EQ(kernel_.pending().size(), 1U);
  EXPECT_EQ(kernel_.pending().front().input, R"({"got":[7]})");
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "8"));
  EXPECT_EQ(state(id), "completed 8");
  const auto steps = kernel_.timeline(id);
  EXPECT_EQ(steps.size(), kernel_.detail(id).summary.steps);
  const auto step = std::ranges::find(steps, "migrated", &InstanceStep::outcome);
  ASSERT_NE(step, steps.end());
  EXPECT_EQ(step->operation, "1.0.0 to 2.0.0");
  EXPECT_EQ(step->reason, "mended");
  EXPECT_EQ(step->actor, "member:ada");
  expect_replay();
}

TEST_F(MigrateTest, a_call_can_fail_time_out_or_be_cancelled_afterwards) {
  for (const bool fails : {true, false}) {
    const std::string name = fails ? "one" : "two";
    const auto versioned = [&](std::string_view version, std::string_view rest) {
      std::string text = document(rest);
      text.replace(text.find("it,"), 2, name);
      return kernel_.apply_text(text.replace(text.find("1.0.0'", text.find("version")), 5, version));
    };
    const InstanceId id = kernel_.start(versioned("1.0.0", "do: [{a: {call: 'p.o:1.0.0@default'}}]\n"));
    (void)versioned("2.0.0", "do: [{x: {set: {n: 0}}}, {a: {call: 'p.o:1.0.0@default'}}]\n");
    const std::string key = kernel_.pending().front().key;
    ASSERT_TRUE(migrate(id));
    if (fails) {
      ASSERT_TRUE(kernel_.fail(key, "unavailable"));
      EXPECT_NE(state(id).find("/do/1/a"), std::string::npos) << state(id);
    } else {
      ASSERT_TRUE(kernel_.run([&](auto& txn, auto& here, auto those) { return cancel(txn, here, those, id, "x"); }));
    }
    EXPECT_TRUE(kernel_.pending().empty());
    expect_replay();
  }
}

TEST_F(MigrateTest, branches_timers_listeners_and_loops_go_on_where_they_were) {
  constexpr std::string_view fork =
      "{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {w: {wait: {seconds: 5}}}, {l: {listen: {to: {one: "
      "{with: {type: go}}}}}}, {o: {for: {each: x, in: '[1, 2]'}, do: [{i: {listen: {to: {one: {with: {type: "
      "item}}}}}}]}}]}}}";
  const InstanceId id = start(fmt::format("do: [{}]\n", fork));
  hear("item", "1");
  (void)apply("2.0.0", fmt::format("do: [{{x: {{set: {{n: 0}}}}}}, {}, {{z: {{set: {{all: '${{ . }}'}}}}}}]\n", fork));
  const std::size_t timers = kernel_.timers();
  const auto due = kernel_.next_timer();
  ASSERT_TRUE(migrate(id));
  EXPECT_EQ(kernel_.timers(), timers);
  EXPECT_EQ(kernel_.next_timer(), due);
  expect_replay();
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "7"));
  hear("go", "3");
  hear("item", "2");
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(state(id), R"(completed {"all":[7,{"n":1},[3],[2]]})");
  expect_replay();
}

TEST_F(MigrateTest, a_task_of_another_name_is_mapped_with_what_is_below_it) {
  const InstanceId id = start(
      "do: [{outer: {do: [{t: {try: [{a: {call: 'p.o:1.0.0@default'}}], catch: {do: [{c: {set: '${ 418 }'}}]}}}, {b: "
      "{set: '${ [.] }'}}]}}]\n");
  (void)apply("2.0.0",
              "do: [{around: {do: [{t: {try: [{a: {call: 'p.o:1.0.0@default'}}], catch: {do: [{c: {set: '${ 419 "
              "}'}}]}}}, {b: {set: '${ {v: .} }'}}]}}]\n");
  EXPECT_EQ(problems(id),
            (std::vector<std::string>{
                "version 2.0.0 lacks '/do/0/outer' (do)",
                "version 2.0.0 lacks '/do/0/outer/do/0/t' (try), perhaps '/do/0/around/do/0/t'",
                "version 2.0.0 lacks '/do/0/outer/do/0/t/try/0/a' (call), perhaps '/do/0/around/do/0/t/try/0/a'"}));
  ASSERT_TRUE(migrate(id, "2.0.0", {{"outer", "around"}}));
  expect_replay();
  ASSERT_TRUE(kernel_.fail(kernel_.pending().front().key, "unavailable"));
  EXPECT_EQ(state(id), R"(completed {"v":419})");
  expect_replay();
}

TEST_F(MigrateTest, events_that_are_processed_one_by_one_go_on_and_those_that_wait_keep_their_turn) {
  // Version, where the task is there, what it is called there, and what it gives for each event.
  constexpr std::string_view listens =
      "listen: {{to: {{any: [{{with: {{type: item}}}}], until: 'length == 3'}}}}, foreach: {{item: it, at: n, do: "
      "[{{c: "
      "{{call: 'p.o:1.0.0@default', with: {{v: '${{ $it }}', n: '${{ $n }}'}}}}}}, {{s: {{set: {}}}}}]}}";
  const auto text = [&](std::string_view given) { return fmt::format(fmt::runtime(listens), given); };
  const InstanceId id = start(fmt::format("do: [{{l: {{{}}}}}]\n", text("'${ [.] }'")));
  hear("item", "1");
  hear("item", "2");
  const std::string key = kernel_.pending().front().key;
  EXPECT_EQ(kernel_.pending().front().input, R"({"v":1,"n":0})");
  (void)apply("2.0.0",
              fmt::format("do: [{{x: {{set: {{n: 0}}}}}}, {{m: {{{}}}}}, {{z: {{set: {{all: '${{ . }}'}}}}}}]\n",
                          text("'${ {now: ., event: $it} }'")));
  EXPECT_EQ(problems(id).size(), 2U) << "neither the task nor the one within it";
  ASSERT_TRUE(migrate(id, "2.0.0", {{"l", "m"}}));
  ASSERT_EQ(kernel_.pending().size(), 1U);
  EXPECT_EQ(kernel_.pending().front().key, key);
  expect_replay();
  ASSERT_TRUE(kernel_.succeed(key, "10"));
  ASSERT_EQ(kernel_.pending().size(), 1U);
  EXPECT_EQ(kernel_.pending().front().input, R"({"v":2,"n":1})");
  // And back, with one event processed and one under way.
  ASSERT_TRUE(migrate(id, "1.0.0", {{"m", "l"}}));
  ASSERT_TRUE(migrate(id, "2.0.0", {{"l", "m"}}));
  expect_replay();
  hear("item", "3");
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "20"));
  EXPECT_EQ(kernel_.pending().front().input, R"({"v":3,"n":2})");
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "30"));
  EXPECT_EQ(state(id), R"(completed {"all":[{"now":10,"event":1},{"now":20,"event":2},{"now":30,"event":3}]})");
  expect_replay();
}

TEST_F(MigrateTest, a_task_that_listens_between_two_events_hears_in_the_new_version) {
  constexpr std::string_view listens =
      "{l: {listen: {to: {any: [{with: {type: item}}], until: {one: {with: {type: end}}}}}, foreach: {do: [{f: {fork: "
      "{branches: [{c: {call: 'p.o:1.0.0@default', with: {v: '${ $item }'}}}, {w: {wait: {seconds: 1}}}]}}}]}}}";
  const InstanceId id = start(fmt::format("do: [{}]\n", listens));
  (void)apply("2.0.0", fmt::format("do: [{{x: {{set: {{n: 0}}}}}}, {}]\n", listens));
  hear("item", "1");
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "10"));
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_TRUE(kernel_.pending().empty());
  ASSERT_TRUE(migrate(id));
  expect_replay();
  hear("item", "2");
  hear("item", "3");
  ASSERT_TRUE(migrate(id, "1.0.0")) << "with branches within the event, and one that waits";
  hear("end", "0");
  ASSERT_TRUE(migrate(id)) << "with no more events to come";
  expect_replay();
  for (const char* output : {"20", "30"}) {
    ASSERT_EQ(kernel_.pending().size(), 1U);
    ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, output));
    EXPECT_TRUE(kernel_.fire_timer());
  }
  EXPECT_EQ(state(id), "completed [[10,1],[20,2],[30,3]]");
  expect_replay();
}

TEST_F(MigrateTest, a_task_that_processes_events_does_not_become_one_that_only_hears_them) {
  constexpr std::string_view to = "listen: {to: {any: [{with: {type: item}}], until: 'length == 3'}}";
  const InstanceId id = start(fmt::format("do: [{{l: {{{}, foreach: {{do: [{{w: {{wait: PT5S}}}}]}}}}}}]\n", to));
  (void)apply("2.0.0", fmt::format("do: [{{l: {{{}}}}}]\n", to));
  EXPECT_EQ(problems(id), std::vector<std::string>{"'/do/0/l' has no 'foreach' in version 2.0.0"});
  hear("item", "1");
  EXPECT_EQ(problems(id).size(), 2U) << "what it does with the event is missing, too";
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(state(id), "running ");
}

TEST_F(MigrateTest, all_that_does_not_fit_is_said_at_once) {
  const InstanceId id = start(
      "do: [{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {l: {listen: {to: {one: {with: {type: go}}}}}}, "
      "{w: {wait: {seconds: 5}}}]}}}]\n");
  (void)apply("2.0.0",
              "do: [{f: {fork: {branches: [{a: {set: {n: 1}}}, {l: {listen: {to: {one: {with: {type: other}}}}}}, {w: "
              "{wait: {seconds: 5}}}]}}}]\n");
  EXPECT_EQ(problems(id), (std::vector<std::string>{
                              "version 2.0.0 lacks '/do/0/f/fork/branches/0/a' (call), which is of the kind set there",
                              "'/do/0/f' has other branches in version 2.0.0, or has them in another order",
                              "'/do/0/f/fork/branches/1/l' listens for something else in version 2.0.0"}));
  const auto mapped = problems(id, {{"a", "l"}, {"nonesuch", "w"}, {"w", "ww"}});
  EXPECT_EQ(mapped.size(), 6U);
  for (const std::string_view one :
       {"'/do/0/f/fork/branches/0/a' (call) cannot become '/do/0/f/fork/branches/1/l' (listen)",
        "version 1.0.0 has no task 'nonesuch'", "version 2.0.0 has no task 'ww'; did you mean 'w'?"}) {
    EXPECT_NE(std::ranges::find(mapped, one), mapped.end()) << one;
  }
  EXPECT_EQ(state(id), "running ");
  EXPECT_EQ(kernel_.detail(id).summary.definition.version, "1.0.0");
}

TEST_F(MigrateTest, a_task_is_not_put_where_its_scope_is_not) {
  const InstanceId id = start("do: [{d: {do: [{a: {call: 'p.o:1.0.0@default'}}]}}]\n");
  (void)apply("2.0.0", "do: [{d: {do: [{b: {call: 'p.o:1.0.0@default'}}]}}, {c: {call: 'p.o:1.0.0@default'}}]\n");
  EXPECT_EQ(problems(id, {{"a", "c"}}),
            (std::vector<std::string>{"'/do/1/c' of version 2.0.0 is not directly inside of '/do/0/d'"}));
  ASSERT_TRUE(migrate(id, "2.0.0", {{"a", "/do/0/d/do/0/b"}}));
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "7"));
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "8"));
  EXPECT_EQ(state(id), "completed 8");
}

TEST_F(MigrateTest, no_key_of_a_call_is_used_twice_whatever_it_is_called) {
  // v1: 'a' has run, then 'b' waits. v2 has no 'a' and calls 'b' 'a'. v3 has both again.
  const InstanceId id = start("do: [{a: {call: 'p.o:1.0.0@default'}}, {b: {call: 'p.o:1.0.0@default'}}]\n");
  const std::string first = kernel_.pending().front().key;
  ASSERT_TRUE(kernel_.succeed(first, "1"));
  std::set<std::string> keys = {first, kernel_.pending().front().key};
  (void)apply("2.0.0", "do: [{a: {call: 'p.o:1.0.0@default', then: a}}]\n");
  ASSERT_TRUE(migrate(id, "2.0.0", {{"b", "a"}}));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "2"));
    EXPECT_TRUE(keys.insert(kernel_.pending().front().key).second) << kernel_.pending().front().key;
  }
  (void)apply("3.0.0", "do: [{a: {call: 'p.o:1.0.0@default', then: b}}, {b: {call: 'p.o:1.0.0@default', then: a}}]\n");
  ASSERT_TRUE(migrate(id, "3.0.0"));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "2"));
    EXPECT_TRUE(keys.insert(kernel_.pending().front().key).second) << kernel_.pending().front().key;
  }
  expect_replay();
}

TEST_F(MigrateTest, a_suspended_instance_stays_suspended) {
  const InstanceId id = start("do: [{w: {wait: {seconds: 5}}}]\n");
  ASSERT_TRUE(kernel_.run([&](auto& txn, auto& here, auto those) { return suspend(txn, here, those, id, "x"); }));
  (void)apply("2.0.0", "do: [{x: {set: {n: 0}}}, {w: {wait: {seconds: 50}}}, {z: {set: {v: 2}}}]\n");
  const auto migrated = migrate(id);
  ASSERT_TRUE(migrated) << migrated.error().message();
  EXPECT_EQ(migrated->status, Status::suspended);
  EXPECT_EQ(kernel_.timers(), 0U);
  expect_replay();
  ASSERT_TRUE(kernel_.run([&](auto& txn, auto& here, auto those) { return resume(txn, here, those, id, "x"); }));
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(state(id), R"(completed {"v":2})");
}

TEST_F(MigrateTest, a_workflow_that_it_runs_comes_back_to_the_new_version) {
  (void)kernel_.apply_text(
      "document: {dsl: '1.0.3', namespace: test, name: sub, version: '1.0.0'}\n"
      "do: [{w: {wait: {seconds: 1}}}, {s: {set: {v: 5}}}]\n");
  constexpr std::string_view run = "{r: {run: {workflow: {namespace: test, name: sub, version: latest}}}}";
  const InstanceId id = start(fmt::format("do: [{}]\n", run));
  (void)apply("2.0.0", fmt::format("do: [{{x: {{set: {{n: 0}}}}}}, {}, {{z: {{set: {{got: '${{ .v }}'}}}}}}]\n", run));
  ASSERT_TRUE(migrate(id));
  while (kernel_.fire_timer()) {
  }
  EXPECT_EQ(state(id), R"(completed {"got":5})");
  expect_replay();
}

TEST_F(MigrateTest, what_completed_is_undone_as_the_new_version_says) {
  constexpr std::string_view use =
      "use: {functions: {old: {set: {v: 1}}, undo: {call: 'p.undo:1.0.0@default', with: {was: '${ $compensated.output "
      "}'}}}}\n";
  constexpr std::string_view text =
      "{a: {set: {n: 2}, metadata: {compensate: undo}}}, {b: {call: 'p.o:1.0.0@default'}}]\n";
  const InstanceId id = start(fmt::format("{}do: [{}", use, text));
  (void)apply("2.0.0", fmt::format("{}do: [{{x: {{set: {{n: 0}}}}}}, {}", use, text));
  (void)apply("3.0.0", "do: [{b: {call: 'p.o:1.0.0@default'}}]\n");
  const auto migrated = migrate(id);
  ASSERT_TRUE(migrated) << migrated.error().message();
  expect_replay();
  EXPECT_NE(migrate(id, "3.0.0").error().message().find("lacks '/do/1/a' with 'metadata.compensate'"),
            std::string::npos);
  ASSERT_TRUE(kernel_.fail(kernel_.pending().front().key, "unavailable"));
  ASSERT_EQ(kernel_.pending().size(), 1U);
  EXPECT_EQ(kernel_.pending().front().operation, "undo");
  EXPECT_EQ(kernel_.pending().front().input, R"({"was":{"n":2}})");
  EXPECT_EQ(migrate(id, "1.0.0").error().code(), base::ErrorCode::conflict);
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "1"));
  EXPECT_TRUE(state(id).starts_with("faulted")) << state(id);
  expect_replay();
}

TEST_F(MigrateTest, what_cannot_go_on_in_a_version_says_why) {
  const InstanceId id = start("do: [{w: {wait: {seconds: 5}}}]\n");
  EXPECT_EQ(migrate(id).error().message(), "there is no workflow test/it:2.0.0");
  EXPECT_EQ(migrate(id, "1.0.0").error().message(),
            fmt::format("the instance {} has version 1.0.0 already", id.to_string()));
  EXPECT_EQ(migrate(*base::Uuid::parse("0192f3c1-0000-7000-8000-000000000000")).error().code(),
            base::ErrorCode::not_found);
  ASSERT_TRUE(kernel_.run([&](auto& txn, auto& here, auto those) { return cancel(txn, here, those, id, "x"); }));
  EXPECT_EQ(migrate(id).error().code(), base::ErrorCode::conflict);
}

}  // namespace
}  // namespace trv::instance::testing
