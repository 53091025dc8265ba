#include "kernel/workflow/instance/decisions.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "kernel/json/parse.hpp"
#include "kernel/json/serialize.hpp"
#include "kernel/workflow/instance/events.hpp"
#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

/// Runs a document without effects, over as many decisions as it takes, and gives its output, or "status: error".
std::string output_of(std::string_view rest, std::string_view input = {}) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(document(rest)), input);
  InstanceDetail detail = kernel.detail(id);
  while (detail.summary.status == Status::running && detail.due && *detail.due <= kernel.now && kernel.fire_timer()) {
    detail = kernel.detail(id);
  }
  if (detail.summary.status == Status::completed) return detail.output;
  return std::string(to_string(detail.summary.status)) + ": " + detail.error;
}

std::vector<std::string> types_of(TestKernel& kernel, const InstanceId& id) {
  std::vector<std::string> out;
  for (const InstanceStep& step : kernel.timeline(id))
    out.push_back(step.type.substr(4) + (step.task.empty() ? "" : " " + step.task));
  return out;
}

constexpr std::string_view call_text = R"(
do:
  - create: {call: "jira.create-issue:1.2.0@default", with: {title: "${ .title }"}, metadata: {connection: main}, timeout: {after: PT5S}}
  - done: {set: {key: "${ .key }", from: "${ $workflow.input.title }"}}
)";

TEST(DataFlow, each_site_sees_what_the_specification_gives_it) {
  EXPECT_EQ(
      output_of(
          "input: {from: .a}\noutput: {as: '{out: .}'}\ndo: [{s: {set: {x: '${ . }', y: '${ $workflow.input.a }'}}}]\n",
          R"({"a":5})"),
      R"({"out":{"x":5,"y":5}})");
  EXPECT_EQ(output_of("do: [{s: {input: {from: .a}, set: {x: '${ $input }'}, output: {as: '{x: .x, i: $input}'}, "
                      "export: {as: '{o: $output, i: $input}'}}},"
                      " {t: {set: {c: '${ $context }', in: '${ . }'}}}]\n",
                      R"({"a":5})"),
            R"({"c":{"o":{"x":5,"i":5},"i":5},"in":{"x":5,"i":5}})");
  EXPECT_EQ(output_of("do: [{s: {set: {c: '${ $context }'}}}]\n"), R"({"c":{}})");
  EXPECT_EQ(output_of("do: [{s: {set: {t: '${ $task.name + $task.reference }', d: '${ $task.definition.set.u }', u: 1, "
                      "w: '${ $workflow.definition.document.name }', r: '${ $runtime.name }'}}}]\n"),
            R"({"t":"s/do/0/s","d":1,"u":1,"w":"it","r":"travertine"})");
  EXPECT_EQ(output_of("do: [{s: {set: {t: '${ $task.startedAt.epoch.seconds }', n: '${ now }'}}}]\n"),
            R"({"t":1767225600,"n":1767225600})");
  EXPECT_EQ(output_of("do: [{s: {set: 'a ${ .n } b ${ .l }'}}]\n", R"({"n":"x","l":[1,2]})"), R"("a x b [1,2]")");
  EXPECT_EQ(output_of("do: [{s: {set: {x: 'plain .n', y: 1.5, z: [true, null]}}}]\n"),
            R"({"x":"plain .n","y":1.5,"z":[true,null]})");
}

TEST(Flow, a_skipped_task_hands_its_input_on_and_its_then_does_not_count) {
  EXPECT_EQ(output_of("do: [{a: {if: .no, set: {x: 1}, then: end}}, {b: {set: '${ . }'}}]\n", R"({"k":1})"),
            R"({"k":1})");
}

TEST(Flow, exit_ends_the_scope_and_end_the_workflow) {
  EXPECT_EQ(
      output_of(
          "do: [{o: {do: [{a: {set: {n: 1}, then: exit}}, {b: {set: {n: 2}}}]}}, {c: {set: {n: '${ .n + 10 }'}}}]\n"),
      R"({"n":11})");
  EXPECT_EQ(
      output_of(
          "do: [{o: {do: [{a: {set: {n: 1}, then: end}}, {b: {set: {n: 2}}}]}}, {c: {set: {n: '${ .n + 10 }'}}}]\n"),
      R"({"n":1})");
  EXPECT_EQ(output_of("do: [{a: {set: {n: 1}, then: c}}, {b: {set: {n: 2}, then: end}}, {c: {set: {n: '${ .n + 10 }'}, "
                      "then: b}}]\n"),
            R"({"n":2})");
}

TEST(Flow, for_binds_item_and_index_and_while_ends_it) {
  EXPECT_EQ(output_of("do: [{f: {for: {each: c, in: .l, at: i}, while: '$i < 2', do: [{s: {set: {l: '${ .l }', o: '${ "
                      "(.o // []) + [$c + $i] }'}}}]}}]\n",
                      R"({"l":[5,6,7]})"),
            R"({"l":[5,6,7],"o":[5,7]})");
  EXPECT_EQ(output_of("do: [{f: {for: {in: .l}, do: [{s: {set: {x: 1}}}]}}]\n", R"({"l":[]})"), R"({"l":[]})");
  EXPECT_EQ(
      output_of("do: [{f: {for: {in: .l}, do: [{s: {set: {x: '${ $item }'}}}], output: {as: '[$input.l[0], .x]'}}}]\n",
                R"({"l":[9]})"),
      "[9,9]");
  EXPECT_NE(
      output_of("do: [{f: {for: {in: .l}, do: [{s: {set: {x: 1}}}]}}]\n").find("'for.in' must give an array, not null"),
      std::string::npos);
}

TEST(Errors, an_expression_that_fails_is_a_catchable_error_of_the_task) {
  EXPECT_EQ(output_of("do: [{t: {try: [{s: {set: {x: '${ .a.b.c }'}}}], catch: {errors: {with: {type: "
                      "'https://serverlessworkflow.io/dsl/errors/types/expression'}},"
                      " do: [{m: {set: {s: '${ $error.status }', at: '${ $error.instance }'}}}]}}}]\n",
                      R"({"a":1})"),
            R"({"s":400,"at":"/do/0/t/try/0/s"})");
  EXPECT_NE(output_of("do: [{s: {set: {x: '${ .a.b }'}}}]\n", R"({"a":1})").find("spec/1.0.0/errors/expression"),
            std::string::npos);
}

TEST(Errors, a_catch_takes_only_what_it_is_meant_for) {
  const auto caught = [](std::string_view condition) {
    return output_of(
               fmt::format(
                   "do: [{{t: {{try: [{{r: {{raise: {{error: {{type: 'https://x.y/z', status: 418, title: T}}}}}}}}],"
                   " catch: {{{}, do: [{{m: {{set: {{ok: '${{ .k }}'}}}}}}]}}}}}}]\n",
                   condition),
               R"({"k":7})") == R"({"ok":7})";
  };
  EXPECT_TRUE(caught("errors: {with: {status: 418}}"));
  EXPECT_TRUE(caught("errors: {with: {type: 'https://x.y/z', title: T}}"));
  EXPECT_TRUE(caught("as: e, when: $e.status == 418"));
  EXPECT_FALSE(caught("errors: {with: {status: 400}}"));
  EXPECT_FALSE(caught("errors: {with: {instance: /do/0/other}}"));
  EXPECT_FALSE(caught("when: $error.status == 400"));
  EXPECT_FALSE(caught("exceptWhen: .k == 7"));
  EXPECT_EQ(output_of("do: [{t: {try: [{r: {raise: {error: {type: a, status: 400}}}}], catch: {}}}]\n", R"({"k":7})"),
            R"({"k":7})");
}

TEST(Errors, an_error_within_a_catch_goes_further_out) {
  EXPECT_EQ(output_of("do: [{o: {try: [{t: {try: [{r: {raise: {error: {type: a, status: 400}}}}], catch: {do: [{q: "
                      "{raise: {error: {type: b, status: 500}}}}]}}}],"
                      " catch: {do: [{m: {set: {s: '${ $error.type }'}}}]}}}]\n"),
            R"({"s":"b"})");
}

TEST(Call, an_operation_is_requested_once_and_its_outcome_goes_on) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(document(call_text)), R"({"title":"hello"})");
  EXPECT_EQ(kernel.detail(id).summary.status, Status::running);
  EXPECT_EQ(kernel.detail(id).summary.current_task, "/do/0/create");
  auto effects = kernel.pending();
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_EQ(effects[0].key, "acme/" + id.to_string() + "/do/0/create/1");
  EXPECT_EQ(effects[0].plugin, "jira");
  EXPECT_EQ(effects[0].operation, "create-issue");
  EXPECT_EQ(effects[0].version, "1.2.0");
  EXPECT_EQ(effects[0].connection, "main");
  EXPECT_EQ(effects[0].input, R"({"title":"hello"})");
  EXPECT_EQ(effects[0].timeout, std::chrono::seconds(5));
  EXPECT_FALSE(good(kernel.succeed(effects[0].key, R"({"key":"X-1"})")).already_known);
  EXPECT_EQ(kernel.detail(id).output, R"({"key":"X-1","from":"hello"})");
  EXPECT_TRUE(kernel.pending().empty());
  EXPECT_TRUE(good(kernel.succeed(effects[0].key, "{}")).already_known);
  EXPECT_EQ(types_of(kernel, id),
            (std::vector<std::string>{"instance.started", "effect.requested create", "effect.succeeded create",
                                      "task.completed done", "instance.completed"}));
  EXPECT_EQ(kernel.timeline(id)[1].operation, "jira.create-issue:1.2.0");
}

TEST(Call, foreign_and_unknown_keys_answer_alike) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(document(call_text)), R"({"title":"hello"})");
  const std::string key = kernel.pending()[0].key;
  const auto unknown = kernel.succeed("acme/00000000-0000-7000-8000-000000000000/do/0/create/1", "{}");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), base::ErrorCode::not_found);
  kernel.tenant = "other";
  const auto foreign = kernel.succeed(key, "{}");
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code(), base::ErrorCode::not_found);
  EXPECT_EQ(kernel.detail(id).summary.steps, 0U);
}

TEST(Call, a_failed_operation_is_an_error_by_its_code) {
  const auto fault = [](std::string_view code, std::uint32_t status) {
    TestKernel kernel;
    const InstanceId id = kernel.start(kernel.apply_text(document(call_text)), R"({"title":"hello"})");
    (void)good(kernel.fail(kernel.pending()[0].key, code, status));
    const auto error = good(json::parse(kernel.detail(id).error));
    const std::string_view type = error.find("type")->as_string();
    return fmt::format("{} {}", type.substr(type.rfind('/') + 1), error.find("status")->as_int());
  };
  EXPECT_EQ(fault("unavailable", 0), "communication 503");
  EXPECT_EQ(fault("internal", 502), "communication 502");
  EXPECT_EQ(fault("unauthenticated", 0), "authentication 401");
  EXPECT_EQ(fault("denied", 0), "authorization 403");
  EXPECT_EQ(fault("timeout", 0), "timeout 408");
  EXPECT_EQ(fault("invalid", 0), "validation 400");
  EXPECT_EQ(fault("internal", 0), "runtime 500");
}

TEST(Wait, the_due_time_stands_in_the_event_and_one_timer_is_set) {
  TestKernel kernel;
  const InstanceId id =
      kernel.start(kernel.apply_text(document("do: [{w: {wait: PT30S}}, {s: {set: {x: '${ .k }'}}}]\n")), R"({"k":1})");
  const base::Timestamp due = kernel.now + std::chrono::seconds(30);
  EXPECT_EQ(kernel.detail(id).due, due);
  EXPECT_EQ(kernel.timers(), 1U);
  ASSERT_TRUE(kernel.fire_timer());
  EXPECT_EQ(kernel.now, due);
  EXPECT_EQ(kernel.detail(id).output, R"({"x":1})");
  EXPECT_EQ(kernel.timers(), 0U);
}

TEST(Retry, attempts_have_keys_of_their_own_and_absolute_deadlines) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(document(R"(
do:
  - t:
      try: [{c: {call: "a.b:1.0.0@default"}}]
      catch:
        errors: {with: {status: 503}}
        retry: {delay: {seconds: 2}, backoff: {exponential: {}}, limit: {attempt: {count: 2}}}
        do: [{m: {set: {gave_up: '${ $error.status }'}}}]
)")));
  std::vector<std::int64_t> waits_s;
  for (int run = 1; run <= 3; ++run) {
    const auto effects = kernel.pending();
    ASSERT_EQ(effects.size(), 1U);
    EXPECT_TRUE(effects[0].key.ends_with(fmt::format("/do/0/t/try/0/c/{}", run))) << effects[0].key;
    (void)good(kernel.fail(effects[0].key, "unavailable", 503));
    if (run == 3) break;
    const auto due = kernel.detail(id).due;
    ASSERT_TRUE(due);
    waits_s.push_back((*due - kernel.now).count() / 1'000'000'000);
    ASSERT_TRUE(kernel.fire_timer());
  }
  EXPECT_EQ(waits_s, (std::vector<std::int64_t>{2, 4}));
  EXPECT_EQ(kernel.detail(id).output, R"({"gave_up":503})");
  EXPECT_EQ(kernel.timers(), 0U);
}

TEST(Http, the_answer_becomes_the_output_and_a_refusal_an_error) {
  TestKernel kernel;
  const auto name = kernel.apply_text(document(R"(
do: [{g: {call: http, with: {method: get, endpoint: 'https://x.example/a/{id}', headers: {A: '${ .id }'}, query: {q: 1}, body: {z: '${ .id }'}, output: response}}}]
)"));
  const InstanceId id = kernel.start(name, R"({"id":"a/b"})");
  auto effects = kernel.pending();
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_EQ(effects[0].kind, "http");
  EXPECT_EQ(effects[0].operation, "GET");
  EXPECT_EQ(
      effects[0].input,
      R"({"endpoint":"https://x.example/a/a%2Fb","headers":{"A":"a/b"},"query":{"q":1},"body":{"z":"a/b"},"output":"response"})");
  const std::string response = R"({"request":{},"statusCode":201,"headers":{"x-a":"1"},"content":{"n":1}})";
  (void)good(kernel.answer(effects[0].key, 201, response));
  EXPECT_EQ(kernel.detail(id).output, response);
  const InstanceId second = kernel.start(name, R"({"id":1})");
  (void)good(kernel.answer(kernel.pending()[0].key, 302, "{}"));
  EXPECT_EQ(kernel.detail(second).summary.status, Status::faulted);
  EXPECT_NE(kernel.detail(second).error.find("\"status\":302"), std::string::npos);
}

TEST(Http, what_is_empty_is_not_in_the_input) {
  TestKernel kernel;
  (void)kernel.start(kernel.apply_text(document(
      "do: [{g: {call: http, with: {method: post, endpoint: 'https://x.example/', headers: {}, body: {}}}}]\n")));
  EXPECT_EQ(kernel.pending().at(0).input, R"({"endpoint":"https://x.example/","body":{}})");
}

TEST(Definitions, a_version_never_changes_and_the_latest_is_the_default) {
  TestKernel kernel;
  const auto text = [](std::string_view version, int value) {
    return fmt::format(
        "document: {{dsl: '1.0.3', namespace: n, name: w, version: '{}'}}\ndo: [{{s: {{set: {{v: {}}}}}}}]\n", version,
        value);
  };
  const auto apply = [&](const std::string& source) {
    return kernel.run([&](auto& txn, auto& here, auto those) {
      return apply_definition(txn, here, those, good(ApplyDefinition::compile(source)));
    });
  };
  EXPECT_FALSE(good(apply(text("1.2.0", 1))).existed);
  EXPECT_TRUE(good(apply(text("1.2.0", 1))).existed);
  EXPECT_EQ(apply(text("1.2.0", 2)).error().code(), base::ErrorCode::conflict);
  (void)good(apply(text("1.10.0", 3)));
  (void)good(apply(text("1.3.0", 4)));
  EXPECT_EQ(kernel.detail(kernel.start({"n", "w", ""})).output, R"({"v":3})");
  EXPECT_EQ(kernel.detail(kernel.start({"n", "w", "1.2.0"})).output, R"({"v":1})");
  auto txn = kernel.read();
  const DefinitionStore store(kernel.tables());
  const auto first = good(store.list(txn, base::TenantId("acme"), {}, 2));
  EXPECT_EQ(first.items.size(), 2U);
  EXPECT_EQ(good(store.list(txn, base::TenantId("acme"), first.next, 2)).items.size(), 1U);
  EXPECT_TRUE(good(store.list(txn, base::TenantId("other"), {}, 9)).items.empty());
}

TEST(Events, every_definition_that_lets_an_event_pass_starts_with_it) {
  TestKernel kernel;
  (void)kernel.apply_text(
      document("schedule: {on: {one: {with: {type: com.github.issues.opened, data: '${ .n > 1 }'}}}}\ndo: [{s: {set: "
               "{n: '${ .[0].data.n }', id: '${ .[0].id }'}}}]\n"));
  const auto receive = [&](std::string_view type, std::string_view data) {
    return good(kernel.run([&](auto& txn, auto& here, auto those) {
             DecisionBudget budget;
             return receive_event(txn, here, those,
                                  {.id = "e1",
                                   .source = "s",
                                   .type = std::string(type),
                                   .subject = "",
                                   .time = {},
                                   .data = std::string(data)},
                                  budget);
           }))
        .instances;
  };
  const auto started = receive("com.github.issues.opened", R"({"n":2})");
  ASSERT_EQ(started.size(), 1U);
  EXPECT_EQ(kernel.detail(started[0]).output, R"({"n":2,"id":"e1"})");
  EXPECT_EQ(kernel.detail(started[0]).summary.trigger, "event:e1");
  EXPECT_TRUE(receive("com.github.issues.opened", R"({"n":1})").empty());
  EXPECT_TRUE(receive("com.github.issues.closed", R"({"n":2})").empty());
  kernel.tenant = "other";
  EXPECT_TRUE(receive("com.github.issues.opened", R"({"n":2})").empty());
}

TEST(Instances, a_start_key_starts_once) {
  TestKernel kernel;
  const auto name = kernel.apply_text(document("do: [{s: {set: {x: 1}}}]\n"));
  const auto start_it = [&] {
    return good(kernel.run([&](auto& txn, auto& here, auto those) {
      return instance::start(
          txn, here, those,
          {.space = name.space, .name = name.name, .version = "", .input = "", .trigger = "key:order-17"});
    }));
  };
  const Started first = start_it();
  EXPECT_FALSE(first.existed);
  const Started again = start_it();
  EXPECT_TRUE(again.existed);
  EXPECT_EQ(again.instance, first.instance);
  // A caller who asked for the latest learns which version runs.
  EXPECT_EQ(again.definition.version, name.version);
  EXPECT_EQ(again.status, Status::completed);
}

TEST(Instances, a_cancelled_instance_takes_no_outcome_and_no_timer) {
  TestKernel kernel;
  const InstanceId id = kernel.start(kernel.apply_text(document(call_text)), R"({"title":"hello"})");
  const std::string key = kernel.pending()[0].key;
  const auto cancel_it = [&] {
    return kernel.run(
        [&](auto& txn, auto& here, auto those) { return cancel(txn, here, those, id, "no longer needed"); });
  };
  const record::Lsn position = kernel.pending()[0].position;
  const auto cancelled = cancel_it();
  ASSERT_TRUE(cancelled);
  ASSERT_EQ(cancelled->decision.events.size(), 2U);
  EXPECT_EQ(cancelled->decision.events[1].type, shard::effect_cancelled_type);
  EXPECT_EQ(cancelled->decision.cancelled, std::vector<record::Lsn>{position});
  EXPECT_TRUE(kernel.pending().empty());
  EXPECT_EQ(kernel.detail(id).summary.status, Status::cancelled);
  EXPECT_EQ(cancel_it().error().code(), base::ErrorCode::conflict);
  const auto late = kernel.succeed(key, "{}");
  ASSERT_TRUE(late);
  EXPECT_TRUE(late->already_known);
  EXPECT_TRUE(late->decision.events.empty());
  EXPECT_EQ(kernel.detail(id).summary.status, Status::cancelled);
  EXPECT_TRUE(kernel.pending().empty());
}

TEST(Instances, a_flow_that_never_ends_yields_and_is_stopped) {
  TestKernel kernel;
  const InstanceId id =
      kernel.start(kernel.apply_text(document("do: [{a: {set: {n: '${ (.n // 0) + 1 }'}, then: a}}]\n")));
  EXPECT_EQ(kernel.events_last(), steps_per_decision_max);
  EXPECT_EQ(kernel.timers(), 1U);
  ASSERT_TRUE(kernel.fire_timer());
  EXPECT_EQ(kernel.detail(id).summary.steps, 2 * steps_per_decision_max);
  EXPECT_EQ(kernel.timers(), 1U);
}

TEST(Instances, data_over_its_limit_faults_and_says_so) {
  const std::string output = output_of("do: [{a: {set: {n: '${ [range(100000)] }'}}}]\n");
  EXPECT_TRUE(output.starts_with("faulted: ")) << output.substr(0, 200);
  EXPECT_NE(output.find("more than 262144 bytes"), std::string::npos) << output.substr(0, 300);
}

TEST(Instances, hostile_expressions_cost_their_instance_only) {
  std::string many = "do: [{a: {set: {";
  for (int i = 0; i < 200; ++i) many += fmt::format("k{}: '${{ [range(200000)] }}', ", i);
  const std::string large = output_of(many + "z: 1}}}]\n");
  EXPECT_NE(large.find("come to more than"), std::string::npos) << large.substr(0, 300);
  const std::string message = output_of("do: [{a: {set: {x: '${ error(\"y\" * 1500000) }'}}}]\n");
  EXPECT_TRUE(message.starts_with("faulted: ")) << message.substr(0, 300);
  EXPECT_LT(message.size(), 4'000U);
  EXPECT_TRUE(output_of("do: [{a: {set: {x: '${ last(repeat(1)) }'}}}]\n").starts_with("faulted: "));
}

/// One task that computes more than a decision may.
std::string hungry_text() {
  std::string values;
  for (int i = 0; i < 60; ++i) values += fmt::format("n{}: '${{ last(range(60000)) }}', ", i);
  return "do: [{try_it: {try: [{eat: {set: {" + values + "}}}], catch: {do: [{on: {set: {n: 0}}}]}}}]\n";
}

TEST(Instances, the_fuel_of_one_task_is_bounded_over_all_its_expressions) {
  TestKernel kernel;
  const auto name = kernel.apply_text(document(hungry_text()));
  const InstanceId id = kernel.start(name);
  const auto found = kernel.detail(id);
  ASSERT_EQ(found.summary.status, Status::faulted);
  EXPECT_EQ(kernel.timers(), 0U);
  const std::string error = json::serialize(good(json::parse(found.error)));
  EXPECT_NE(error.find("/errors/expression"), std::string::npos) << error;
  EXPECT_NE(error.find("Expression Error"), std::string::npos) << error;
  EXPECT_NE(error.find("/do/0/try_it/try/0/eat"), std::string::npos) << error;
  EXPECT_NE(error.find("4000000 units of fuel"), std::string::npos) << error;
  // The same at the same place each time, and nothing of it is decided again in a replay.
  const InstanceId again = kernel.start(name);
  EXPECT_EQ(kernel.detail(again).summary.steps, found.summary.steps);
  EXPECT_EQ(kernel.detail(again).error, found.error);
  TestKernel replayed;
  replayed.replay(kernel);
  EXPECT_EQ(replayed.detail(id).error, found.error);
  EXPECT_EQ(replayed.detail(id).summary.steps, found.summary.steps);
  EXPECT_EQ(replayed.detail(again).error, found.error);
}

TEST(Instances, what_waits_in_between_has_the_fuel_of_a_decision_each_time) {
  TestKernel kernel;
  const std::string work = "{set: {n: '${ last(range(60000)) }'}}";
  std::string tasks;
  for (int i = 0; i < 20; ++i) tasks += fmt::format("{{a{0}: {1}}}, {{w{0}: {{wait: {{seconds: 1}}}}}}, ", i, work);
  const InstanceId id = kernel.start(kernel.apply_text(document("do: [" + tasks + "{z: " + work + "}]\n")));
  while (kernel.detail(id).summary.status == Status::running) ASSERT_TRUE(kernel.fire_timer());
  EXPECT_EQ(kernel.detail(id).summary.status, Status::completed);
}

TEST(Instances, much_to_compute_makes_a_decision_yield_and_not_fault) {
  TestKernel kernel;
  const InstanceId id =
      kernel.start(kernel.apply_text(document("do: [{all: {for: {each: x, in: '${ [range(100)] }'}, do: "
                                              "[{eat: {set: {n: '${ last(range(60000)) }'}}}]}}]\n")));
  EXPECT_LT(kernel.detail(id).summary.steps, 40U);
  while (kernel.detail(id).summary.status == Status::running) ASSERT_TRUE(kernel.fire_timer());
  EXPECT_EQ(kernel.detail(id).summary.status, Status::completed);
}

TEST(Instances, large_data_makes_a_decision_yield_and_not_fault) {
  TestKernel kernel;
  const InstanceId id = kernel.start(
      kernel.apply_text(document("do: [{a: {set: {t: '${ \"x\" * 200000 }', n: '${ (.n // 0) + 1 }'}}}, "
                                 "{b: {if: '.n < 120', set: {t: '${ .t }', n: '${ .n + 1 }'}, then: b}}]\n")));
  EXPECT_LT(kernel.events_last(), 100U);
  EXPECT_EQ(kernel.timers(), 1U);
  while (kernel.detail(id).summary.status == Status::running) ASSERT_TRUE(kernel.fire_timer());
  EXPECT_EQ(kernel.detail(id).summary.status, Status::completed);
}

TEST(Instances, that_one_event_starts_together_do_not_pay_for_each_other) {
  TestKernel kernel;
  const auto apply_named = [&](std::string_view name, std::string_view rest) {
    (void)kernel.apply_text(
        fmt::format("document: {{dsl: '1.0.3', namespace: test, name: {}, version: '1.0.0'}}\n"
                    "schedule: {{on: {{one: {{with: {{type: com.x}}}}}}}}\n{}",
                    name, rest));
  };
  apply_named("hungry", hungry_text());
  apply_named("modest", "do: [{s: {set: {n: '${ last(range(60000)) }'}}}]\n");
  const auto started = good(kernel.run([&](auto& txn, auto& here, auto those) {
    DecisionBudget budget;
    return receive_event(txn, here, those, {.id = "1", .source = "s", .type = "com.x"}, budget);
  }));
  ASSERT_EQ(started.instances.size(), 2U);
  while (kernel.timers() > 0) ASSERT_TRUE(kernel.fire_timer());
  int completed = 0;
  int faulted = 0;
  for (const InstanceId& id : started.instances) {
    completed += kernel.detail(id).summary.status == Status::completed ? 1 : 0;
    faulted += kernel.detail(id).summary.status == Status::faulted ? 1 : 0;
  }
  EXPECT_EQ(completed, 1);
  EXPECT_EQ(faulted, 1);
}

TEST(Guide, the_triage_workflow_runs_as_its_page_says) {
  std::ifstream stream(TRV_SOURCE_DIR "/docs/guides/triage.yaml");
  const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  TestKernel kernel;
  (void)kernel.apply_text(text);
  const auto receive = [&](std::string_view label) {
    return good(kernel.run([&](auto& txn, auto& here, auto those) {
             DecisionBudget budget;
             return receive_event(
                 txn, here, those,
                 {.id = "1",
                  .source = "https://github.com/acme/app",
                  .type = "com.github.issues.opened",
                  .data = fmt::format(
                      R"({{"issue":{{"number":7,"title":"It breaks","html_url":"https://g/7","labels":[{{"name":"{}"}}]}},
                    "repository":{{"name":"app","owner":{{"login":"acme"}}}}}})",
                      label)},
                 budget);
           }))
        .instances.at(0);
  };
  EXPECT_EQ(kernel.detail(receive("question")).summary.status, Status::completed);
  const InstanceId id = receive("bug");
  const auto next = [&](std::string_view operation) {
    const auto effects = kernel.pending();
    EXPECT_EQ(effects.size(), 1U);
    EXPECT_EQ(effects.at(0).plugin + "." + effects.at(0).operation, operation);
    return effects.at(0);
  };
  (void)good(kernel.fail(next("jira.create-issue").key, "unavailable", 503));
  EXPECT_TRUE(kernel.pending().empty());
  ASSERT_TRUE(kernel.fire_timer());
  (void)good(kernel.succeed(next("jira.create-issue").key, R"({"key":"OPS-1"})"));
  EXPECT_EQ(next("slack.post-message").input, R"({"channel":"triage","text":"OPS-1: It breaks"})");
  (void)good(kernel.succeed(next("slack.post-message").key, "{}"));
  EXPECT_EQ(next("github.create-comment").input,
            R"({"owner":"acme","repo":"app","issue_number":7,"body":"Thank you. We follow this as OPS-1."})");
  (void)good(kernel.succeed(next("github.create-comment").key, R"({"id":1})"));
  EXPECT_EQ(kernel.detail(id).output, R"({"id":1})");

  const InstanceId failing = receive("bug");
  for (int i = 0; i < 5; ++i) {
    (void)good(kernel.fail(next("jira.create-issue").key, "unavailable", 503));
    if (i < 4) {
      ASSERT_TRUE(kernel.fire_timer());
    }
  }
  EXPECT_EQ(next("slack.post-message").input,
            R"({"channel":"triage","text":"No ticket for https://g/7: Communication Error"})");
  (void)good(kernel.succeed(next("slack.post-message").key, "{}"));
  EXPECT_EQ(kernel.detail(failing).summary.status, Status::completed);
}

}  // namespace
}  // namespace trv::instance::testing
