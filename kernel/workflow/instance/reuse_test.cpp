// Calls of functions and tasks with extensions, as they run.

#include <fmt/format.h>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

struct Ran {
  Status status = Status::running;
  std::string output;
  std::string error;
  std::vector<std::string> steps;  ///< reference and outcome, of tasks
};

/// Runs to the end: outcomes are {"n":2}, timers fire.
Ran ran(const std::string& rest, const std::string& input = R"({"n":1})") {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(document(rest)), input);
  for (int i = 0; i < 100 && kernel.detail(id).summary.status == Status::running; ++i) {
    if (!kernel.pending().empty()) {
      (void)good(kernel.answer(kernel.pending()[0].key, 200, R"({"n":2})"));
    } else {
      (void)kernel.fire_timer();
    }
    TestKernel again;
    again.replay(kernel);
    EXPECT_EQ(again.detail(id).output, kernel.detail(id).output);
    EXPECT_EQ(again.timers(), kernel.timers());
  }
  Ran out{kernel.detail(id).summary.status, kernel.detail(id).output, kernel.detail(id).error, {}};
  for (const InstanceStep& step : kernel.timeline(id)) {
    if (!step.reference.empty()) out.steps.push_back(step.reference + " " + step.outcome);
  }
  return out;
}

using Steps = std::vector<std::string>;

TEST(FunctionCalls, give_the_function_its_arguments_and_the_task_its_output) {
  const std::string use =
      "use: {functions: {add: {input: {schema: {document: {required: [a, b]}}}, set: {sum: '${ .a + "
      ".b }'}}}}\n";
  const Ran good = ran(use +
                       "do: [{x: {call: add, with: {a: '${ .n }', b: 41}, output: {as: '{got: .sum, from: "
                       "$input.n}'}}}]\n");
  EXPECT_EQ(good.output, R"({"got":42,"from":1})");
  EXPECT_EQ(good.steps, (Steps{"/do/0/x/use/functions/add completed", "/do/0/x completed"}));
  const Ran without = ran(use + "do: [{x: {call: add, with: {a: 1}}}]\n");
  EXPECT_EQ(without.status, Status::faulted);
  EXPECT_NE(without.error.find("/do/0/x/use/functions/add"), std::string::npos) << without.error;
  EXPECT_EQ(
      ran("use: {functions: {same: {set: {n: '${ .n + 1 }'}}}}\ndo: [{x: {call: same}}, {y: {call: same}}]\n").output,
      R"({"n":3})")
      << "without arguments it gets the task's input";
}

TEST(FunctionCalls, of_one_function_at_two_places_are_two_effects) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(
      document("use: {functions: {f: {call: 'a.b:1.0.0@default'}}}\n"
               "do: [{both: {fork: {branches: [{x: {call: f, with: {n: 1}}}, {y: {call: f, with: {n: 2}}}]}}}]\n")));
  const auto effects = kernel.pending();
  ASSERT_EQ(effects.size(), 2U);
  EXPECT_NE(effects[0].key, effects[1].key);
  EXPECT_NE(effects[0].key.find("/x/use/functions/f"), std::string::npos) << effects[0].key;
  (void)good(kernel.succeed(effects[1].key, "2"));
  (void)good(kernel.succeed(effects[0].key, "1"));
  EXPECT_EQ(kernel.detail(id).output, "[1,2]");
}

TEST(FunctionCalls, are_caught_retried_and_timed_out_like_any_task) {
  const std::string use = "use: {functions: {slow: {wait: PT10S}, bad: {raise: {error: {type: x, status: 418}}}}}\n";
  EXPECT_EQ(ran(use + "do: [{t: {try: [{c: {call: slow, timeout: {after: PT1S}}}], catch: {do: [{d: {set: {s: '${ "
                      "$error.status }'}}}]}}}]\n")
                .output,
            R"({"s":408})");
  const Ran again = ran(use +
                        "do: [{t: {try: [{c: {call: bad}}], catch: {retry: {limit: {attempt: {count: 1}}}, do: [{d: "
                        "{set: {s: '${ $error.status }'}}}]}}}]\n");
  EXPECT_EQ(again.output, R"({"s":418})");
  EXPECT_EQ(std::ranges::count(again.steps, "/do/0/t/try/0/c/use/functions/bad faulted"), 2);
}

TEST(Catches, say_where_the_flow_goes_once_an_error_was_caught) {
  const auto tasks = [](const std::string& caught, const std::string& fails) {
    return "do: [{t: {try: [{a: {set: {n: 1}}}, {b: {if: '" + fails +
           "', raise: {error: {type: x, status: 418}}}}], catch: {" + caught +
           "}, then: c}}, {b: {set: {n: 7}}}, {c: {set: {n: '${ .n + 10 }'}, then: end}}, {d: {set: {n: '${ .n + 100 "
           "}'}}}]\n";
  };
  EXPECT_EQ(ran(tasks("then: d", "true")).output, R"({"n":101})") << "the try's input goes on";
  EXPECT_EQ(ran(tasks("do: [{m: {set: {n: 5}}}], then: d", "true")).output, R"({"n":105})");
  EXPECT_EQ(ran(tasks("do: [{m: {set: {n: 5}}}], then: end", "true")).output, R"({"n":5})");
  EXPECT_EQ(ran(tasks("do: [{m: {set: {n: 5}}}], then: exit", "true")).output, R"({"n":5})");
  EXPECT_EQ(ran(tasks("do: [{m: {set: {n: 5}}}], then: d", "false")).output, R"({"n":11})") << "nothing was caught";
  EXPECT_EQ(ran(tasks("do: [{m: {set: {n: 5}}}]", "true")).output, R"({"n":15})") << "the task's own then";
  EXPECT_EQ(ran("use: {extensions: [{e: {extend: try, after: [{x: {set: {n: 0}}}]}}]}\n" +
                tasks("do: [{m: {set: {n: 5}}}], then: d", "true"))
                .output,
            R"({"n":105})");
}

TEST(Extensions, run_before_and_after_and_leave_the_data_alone) {
  const std::string use =
      "use: {extensions: [{logs: {extend: set, before: [{in: {call: 'a.b:1.0.0@default', with: {says: "
      "'${ \"begins \\($task.name)\" }'}}}], after: [{out: {call: 'a.b:1.0.0@default', with: {says: '${ "
      "\"\\($task.output.n) of \\($task.input.n)\" }'}}}]}}]}\n";
  TestKernel kernel;
  const InstanceId id =
      kernel.start(kernel.apply_text(document(use + "do: [{a: {set: {n: '${ .n + 1 }'}}}]\n")), R"({"n":1})");
  ASSERT_EQ(kernel.pending().size(), 1U);
  EXPECT_EQ(kernel.pending()[0].input, R"({"says":"begins a"})");
  (void)good(kernel.succeed(kernel.pending()[0].key, R"({"n":77})"));
  ASSERT_EQ(kernel.pending().size(), 1U);
  EXPECT_EQ(kernel.pending()[0].input, R"({"says":"2 of 1"})");
  (void)good(kernel.succeed(kernel.pending()[0].key, R"({"n":88})"));
  EXPECT_EQ(kernel.detail(id).output, R"({"n":2})");
  Steps steps;
  for (const InstanceStep& step : kernel.timeline(id)) steps.push_back(step.reference + " " + step.outcome);
  EXPECT_EQ(steps, (Steps{" started", "/do/0/a/use/extensions/0/logs/before/0/in started",
                          "/do/0/a/use/extensions/0/logs/before/0/in completed", "/do/0/a completed",
                          "/do/0/a/use/extensions/0/logs/after/0/out started",
                          "/do/0/a/use/extensions/0/logs/after/0/out completed",
                          "/do/0/a/use/extensions/0/logs/after completed", "/do/0/a/use/extensions/0/logs completed",
                          " completed"}));
}

TEST(Extensions, that_exit_before_replace_the_task) {
  const std::string use =
      "use: {extensions: [{mocks: {extend: call, when: '$task.with.endpoint.uri | startswith(\"https://"
      "mocked\")', before: [{answer: {set: {n: 5}, then: exit}}]}}]}\n";
  const auto call = [](const std::string& host) {
    return "do: [{a: {call: http, with: {method: get, endpoint: {uri: 'https://" + host +
           ".example.com/'}}}}, {b: {set: {n: "
           "'${ .n * 10 }'}}}]\n";
  };
  const Ran mocked = ran(use + call("mocked"));
  EXPECT_EQ(mocked.output, R"({"n":50})") << mocked.error;
  EXPECT_EQ(mocked.steps, (Steps{"/do/0/a/use/extensions/0/mocks/before/0/answer completed",
                                 "/do/0/a/use/extensions/0/mocks completed", "/do/1/b completed"}));
  const Ran real = ran(use + call("real"));
  EXPECT_EQ(real.output, R"({"n":20})");
  EXPECT_EQ(real.steps.front(), "/do/0/a started");
}

TEST(Extensions, remember_where_the_task_goes_while_they_wait) {
  TestKernel kernel;
  const InstanceId id = kernel.start(
      kernel.apply_text(document("use: {extensions: [{e: {extend: set, after: [{w: {wait: {seconds: 1}}}]}}]}\n"
                                 "do: [{a: {set: {n: 2}, then: end}}, {b: {set: {n: 3}}}]\n")),
      R"({"n":1})");
  EXPECT_TRUE(kernel.fire_timer());
  EXPECT_EQ(kernel.detail(id).output, R"({"n":2})");
}

TEST(Extensions, go_where_the_task_goes) {
  const std::string use =
      "use: {extensions: [{e: {extend: switch, after: [{x: {set: {n: 0}}}]}}, {f: {extend: all, when: '.n "
      "== 1', before: [{y: {set: {n: 0}}}]}}]}\n";
  const std::string tasks =
      "do: [{a: {switch: [{big: {when: .n > 1, then: c}}, {one: {when: .n == 1, then: b}}, {other: "
      "{then: end}}]}}, {b: {set: {n: 10}, then: d}}, {c: {set: {n: 20}}}, {d: {set: {n: '${ .n + 1 "
      "}'}}}]\n";
  EXPECT_EQ(ran(use + tasks, R"({"n":1})").output, R"({"n":11})");
  EXPECT_EQ(ran(use + tasks, R"({"n":2})").output, R"({"n":21})");
  EXPECT_EQ(ran(use + tasks, R"({"n":0})").output, R"({"n":0})");
  EXPECT_EQ(ran(tasks, R"({"n":1})").output, R"({"n":11})");
}

TEST(Extensions, that_wait_after_the_task_know_where_it_goes) {
  const auto tasks = [](const std::string& when, const std::string& then) {
    return "use: {extensions: [{e: {extend: switch, when: " + when +
           ", before: [{x: {wait: PT2S}}], after: [{y: {wait: PT3S}}]}}]}\n"
           "do: [{a: {switch: [{big: {when: .n > 1, then: " +
           then + "}}]}}, {b: {set: {n: 0}}}, {c: {set: {m: '${ .n }'}}}]\n";
  };
  EXPECT_EQ(ran(tasks("'true'", "c"), R"({"n":2})").output, R"({"m":2})");
  EXPECT_EQ(ran(tasks("'false'", "c"), R"({"n":2})").output, R"({"m":2})");
  EXPECT_EQ(ran(tasks("'true'", "end"), R"({"n":2})").output, R"({"n":2})");
  EXPECT_EQ(ran(tasks("'true'", "exit"), R"({"n":2})").output, R"({"n":2})");
  EXPECT_EQ(ran(tasks("'true'", "continue"), R"({"n":2})").output, R"({"m":0})");
}

TEST(Extensions, of_a_task_that_is_skipped_are_skipped) {
  const Ran skipped =
      ran("use: {extensions: [{e: {extend: wait, before: [{x: {set: {n: 0}}}]}}]}\n"
          "do: [{a: {if: .n > 1, wait: PT1S}}, {b: {set: {m: '${ .n }'}}}]\n");
  EXPECT_EQ(skipped.output, R"({"m":1})");
  EXPECT_EQ(skipped.steps, (Steps{"/do/0/a/use/extensions/0/e skipped", "/do/1/b completed"}));
}

TEST(Extensions, that_fail_fail_their_task) {
  const Ran failed =
      ran("use: {extensions: [{e: {extend: wait, before: [{x: {raise: {error: {type: t, status: 418}}}}]}}]}\n"
          "do: [{t: {try: [{a: {wait: PT1S}}], catch: {do: [{c: {set: {at: '${ $error.instance }'}}}]}}}]\n");
  EXPECT_EQ(failed.output, R"({"at":"/do/0/t/try/0/a/use/extensions/0/e/before/0/x"})");
}

}  // namespace
}  // namespace trv::instance::testing
