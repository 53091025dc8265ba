// An instance behind one of its events: its state, and instances that go on from there. Signals, and who did what.

#include <fmt/format.h>

#include "kernel/workflow/instance/actions.hpp"
#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

class PastTest : public WorkflowTest {
 protected:
  InstanceId start(std::string_view rest, std::string_view input = R"({"n":1})") {
    std::string text = document(rest);
    text.replace(text.find("it,"), 2, fmt::format("it{}", ++started_));
    return kernel_.start(kernel_.apply_text(text), input);
  }
  base::Result<Past> behind_it(const InstanceId& id, const At& at) {
    const auto txn = kernel_.read();
    return behind(txn, kernel_.tables(), base::TenantId(kernel_.tenant), id, at, kernel_.record_at());
  }
  /// Behind the step of this number.
  Past behind_step(const InstanceId& id, std::size_t number) {
    return good(behind_it(id, kernel_.timeline(id).at(number).id));
  }
  base::Result<Forked> fork(const InstanceId& id, const Past& past, const Fork& command = {}) {
    return kernel_.run(
        [&](auto& txn, auto& here, auto those) { return instance::fork(txn, here, those, id, past, command); });
  }
  base::Result<Signalled> signal(const InstanceId& id, std::string type, std::string data = "1") {
    return kernel_.run([&](auto& txn, auto& here, auto those) {
      return instance::signal(txn, here, those, id, {.id = "s", .source = "/o", .type = type, .data = data}, "why not");
    });
  }
  base::Status run(const InstanceId& id, decltype(&instance::suspend) operation) {
    const auto done =
        kernel_.run([&](auto& txn, auto& here, auto those) { return operation(txn, here, those, id, "to look"); });
    return done ? base::Status() : base::fail(done.error());
  }

  int started_ = 0;
};

constexpr std::string_view two_calls =
    "do: [{s: {set: {n: 2}, export: {as: '{kept: .n}'}}}, {a: {call: 'p.o:1.0.0@default', with: {n: '${ .n }'}}}, {b: "
    "{call: 'p.o:1.0.0@default', with: {m: '${ . }'}, output: {as: '{got: ., kept: $context.kept, whole: "
    "$workflow.input}'}}}]\n";

TEST_F(PastTest, a_state_is_what_it_was_behind_each_event) {
  const InstanceId id = start(two_calls);
  std::vector<std::string> was;
  const auto look = [&] { return json::serialize(good(behind_it(id, record::Lsn(999))).instance.state.root().data); };
  was.push_back(look());
  const std::size_t first = kernel_.timeline(id).size();
  kernel_.now = kernel_.now + std::chrono::seconds(1);
  const base::Timestamp before = kernel_.now + -std::chrono::milliseconds(1);
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "7"));
  const std::size_t second = kernel_.timeline(id).size();
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "8"));
  EXPECT_EQ(state(id), R"(completed {"got":8,"kept":2,"whole":{"n":1}})");

  const Past then = behind_step(id, first - 1);
  EXPECT_EQ(json::serialize(then.instance.state.root().data), was.front());
  EXPECT_EQ(then.detail.summary.status, Status::running);
  EXPECT_EQ(then.detail.context, R"({"kept":2})");
  EXPECT_EQ(then.instance.state.root().waits_for->key, fmt::format("acme/{}/do/1/a/1", id.to_string()));
  EXPECT_EQ(then.task, "/do/1/a");
  EXPECT_EQ(behind_step(id, second - 1).instance.state.root().waits_for->key,
            fmt::format("acme/{}/do/2/b/1", id.to_string()));
  // The same by its time and by its position.
  EXPECT_EQ(good(behind_it(id, before)).event, then.event);
  EXPECT_EQ(good(behind_it(id, then.place)).event, then.event);
  const Past end = good(behind_it(id, record::Lsn(999)));
  EXPECT_EQ(end.detail.summary.status, Status::completed);
  EXPECT_EQ(end.detail.output, R"({"got":8,"kept":2,"whole":{"n":1}})");
}

TEST_F(PastTest, what_it_waits_for_is_in_its_past) {
  const InstanceId id = start(
      "do: [{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {w: {wait: {seconds: 5}}}, {l: {listen: {to: "
      "{one: {with: {type: go}}}}}}]}}}]\n");
  const std::size_t steps = kernel_.timeline(id).size();
  ASSERT_TRUE(run(id, instance::suspend));
  ASSERT_TRUE(run(id, instance::cancel));
  const Past then = behind_step(id, steps - 1);
  EXPECT_EQ(then.instance.state.branches.size(), 4U);
  EXPECT_EQ(then.detail.waits_for.size(), 1U);
  EXPECT_EQ(then.detail.due, kernel_.now + std::chrono::seconds(5));
  EXPECT_TRUE(behind_step(id, steps).instance.state.is_suspended);
  EXPECT_FALSE(behind_step(id, steps).detail.due);
}

TEST_F(PastTest, what_was_not_is_said) {
  kernel_.now = kernel_.now + std::chrono::seconds(1);
  const InstanceId id = start("do: [{w: {wait: {seconds: 5}}}]\n");
  EXPECT_EQ(behind_it(id, kernel_.now + -std::chrono::milliseconds(1)).error().message(),
            fmt::format("the instance {} had not started", id.to_string()));
  EXPECT_EQ(behind_it(id, id).error().message(),
            fmt::format("the instance {} has no event {}", id.to_string(), id.to_string()));
  const InstanceId other = *base::Uuid::parse("0192f3c1-0000-7000-8000-000000000000");
  EXPECT_EQ(behind_it(other, record::Lsn(9)).error().code(), base::ErrorCode::not_found);
  const auto txn = kernel_.read();
  const auto foreign = behind(txn, kernel_.tables(), base::TenantId("other"), id, record::Lsn(9), kernel_.record_at());
  EXPECT_EQ(foreign.error().message(), fmt::format("there is no instance {}", id.to_string()));
}

TEST_F(PastTest, a_fork_goes_on_from_an_event_with_keys_of_its_own) {
  const InstanceId id = start(two_calls);
  const std::size_t first = kernel_.timeline(id).size();
  const std::string key = kernel_.pending().front().key;
  ASSERT_TRUE(kernel_.succeed(key, "7"));
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "8"));
  const std::string before = state(id);
  const auto forked = fork(id, behind_step(id, first - 1));
  ASSERT_TRUE(forked) << forked.error().message();
  EXPECT_EQ(state(id), before);
  EXPECT_EQ(forked->status, Status::running);
  ASSERT_EQ(kernel_.pending().size(), 1U);
  EXPECT_EQ(kernel_.pending().front().key, fmt::format("acme/{}/do/1/a/2", forked->instance.to_string()));
  EXPECT_EQ(kernel_.pending().front().input, R"({"n":2})");
  expect_replay();
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "70"));
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "80"));
  EXPECT_EQ(state(forked->instance), R"(completed {"got":80,"kept":2,"whole":{"n":1}})");
  EXPECT_EQ(kernel_.detail(forked->instance).summary.trigger, "fork:" + id.to_string());
  EXPECT_EQ(kernel_.detail(forked->instance).input, R"({"n":1})");
  EXPECT_EQ(kernel_.detail(forked->instance).context, R"({"kept":2})");
  const InstanceStep in_origin = kernel_.timeline(id).back();
  EXPECT_EQ(in_origin.outcome, "forked");
  EXPECT_EQ(in_origin.actor, "member:ada");
  EXPECT_EQ(in_origin.output, fmt::format(R"({{"instance":"{}","event":"{}"}})", forked->instance.to_string(),
                                          kernel_.timeline(id).at(first - 1).id.to_string()));
  const InstanceStep in_fork = kernel_.timeline(forked->instance).at(1);
  EXPECT_EQ(in_fork.operation, "fork");
  EXPECT_EQ(in_fork.input, fmt::format(R"({{"instance":"{}","event":"{}"}})", id.to_string(),
                                       kernel_.timeline(id).at(first - 1).id.to_string()));
  expect_replay();
}

TEST_F(PastTest, a_fork_has_another_input_and_another_version) {
  const InstanceId id = start(two_calls);
  const std::size_t first = kernel_.timeline(id).size();
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "7"));
  ASSERT_TRUE(run(id, instance::cancel));
  std::string text =
      document("do: [{x: {set: {n: 0}}}, {a: {call: 'p.o:1.0.0@default', with: {n: '${ .n }', v: 2}}}]\n");
  text.replace(text.find("it,"), 2, "it1");
  (void)kernel_.apply_text(text.replace(text.find("1.0.0'", text.find("version")), 5, "2.0.0"));
  const auto forked =
      fork(id, behind_step(id, first - 1), {.input = good(json::parse(R"({"n":50})")), .version = "2.0.0"});
  ASSERT_TRUE(forked) << forked.error().message();
  EXPECT_EQ(forked->definition.version, "2.0.0");
  ASSERT_EQ(kernel_.pending().size(), 1U);
  EXPECT_EQ(kernel_.pending().front().input, R"({"n":50,"v":2})");
  EXPECT_EQ(state(id), "cancelled ");
  expect_replay();
}

TEST_F(PastTest, a_fork_of_branches_waits_for_the_same) {
  const InstanceId id = start(
      "do: [{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {w: {wait: {seconds: 5}}}, {l: {listen: {to: "
      "{one: {with: {type: go}}}}}}]}}}]\n");
  const std::size_t steps = kernel_.timeline(id).size();
  ASSERT_TRUE(run(id, instance::suspend));
  const auto forked = fork(id, behind_step(id, steps));  // suspended then
  ASSERT_TRUE(forked) << forked.error().message();
  EXPECT_EQ(state(forked->instance), "running ");
  EXPECT_EQ(kernel_.pending().size(), 2U);
  EXPECT_EQ(kernel_.timers(), 1U);
  expect_replay();
  for (const shard::Effect& one : kernel_.pending()) ASSERT_TRUE(kernel_.succeed(one.key, "1"));
  ASSERT_TRUE(signal(forked->instance, "go", "3"));
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(state(forked->instance), R"(completed [1,{"n":1},[3]])");
  EXPECT_EQ(state(id), "suspended ");
  expect_replay();
}

TEST_F(PastTest, what_cannot_be_forked_says_why) {
  const InstanceId id = start("do: [{t: {try: [{r: {raise: {error: {type: x, status: 418}}}}], catch: {}}}]\n");
  const auto steps = kernel_.timeline(id);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto forked = fork(id, behind_step(id, i));
    if (steps[i].outcome == "faulted") {
      EXPECT_NE(forked.error().message().find("an error was on its way"), std::string::npos);
    } else if (steps[i].type == "trv.instance.completed") {
      EXPECT_NE(forked.error().message().find("had ended"), std::string::npos);
    } else {
      ASSERT_TRUE(forked) << forked.error().message();
      EXPECT_EQ(state(forked->instance), state(id));
    }
  }
  const InstanceId waits = start("do: [{w: {wait: {seconds: 5}}}]\n");
  EXPECT_NE(fork(waits, behind_step(waits, 1), {.input = json::Value()}).error().message().find("no task is about to"),
            std::string::npos);
}

TEST_F(PastTest, one_that_failed_and_was_forked_is_tried_again_all_the_same) {
  const InstanceId id = start(two_calls);
  const std::size_t first = kernel_.timeline(id).size();
  ASSERT_TRUE(kernel_.fail(kernel_.pending().front().key, "unavailable"));
  const base::Timestamp ended = kernel_.detail(id).summary.updated;
  kernel_.now = kernel_.now + std::chrono::seconds(1);
  ASSERT_TRUE(fork(id, behind_step(id, first - 1)));
  EXPECT_EQ(kernel_.detail(id).summary.updated, ended);
  const Past past = [&] {
    const auto txn = kernel_.read();
    return good(before_failure(txn, kernel_.tables(), base::TenantId(kernel_.tenant), id, kernel_.record_at()));
  }();
  ASSERT_TRUE(kernel_.run([&](auto& txn, auto& here, auto those) { return retry(txn, here, those, id, past, {}); }));
  EXPECT_EQ(state(id), "running ");
  expect_replay();
}

TEST_F(PastTest, a_signal_is_heard_by_one_instance_alone) {
  constexpr std::string_view text =
      "do: [{l: {listen: {to: {one: {with: {type: go, data: '${ .n > 1 }'}}}}}}, {s: {set: {got: '${ . }'}}}]\n";
  const InstanceId one = start(text);
  const InstanceId other = start(text);
  const auto refused = signal(one, "go", R"({"n":1})");
  EXPECT_EQ(refused.error().message(),
            fmt::format("nothing that the instance {} listens for is such an event of the type 'go', so it was not "
                        "delivered; these listen: '/do/0/l'",
                        one.to_string()));
  const auto heard = signal(one, "go", R"({"n":2})");
  ASSERT_TRUE(heard) << heard.error().message();
  EXPECT_EQ(heard->heard, std::vector<std::string>{"/do/0/l"});
  EXPECT_EQ(state(one), R"(completed {"got":[{"n":2}]})");
  EXPECT_EQ(state(other), "running ");
  const auto steps = kernel_.timeline(one);
  const auto signalled = std::ranges::find(steps, "signalled", &InstanceStep::outcome);
  ASSERT_NE(signalled, steps.end());
  EXPECT_EQ(signalled->actor, "member:ada");
  EXPECT_EQ(signalled->reason, "why not");
  EXPECT_EQ(signalled->operation, "go");
  EXPECT_EQ(steps.size(), kernel_.detail(one).summary.steps);
  EXPECT_EQ(signal(one, "go").error().code(), base::ErrorCode::conflict);
  const InstanceId deaf = start("do: [{w: {wait: {seconds: 5}}}]\n");
  EXPECT_EQ(signal(deaf, "go").error().message(),
            fmt::format("the instance {} listens for nothing now, so the event was not delivered", deaf.to_string()));
  EXPECT_EQ(signal(other, "go", "{").error().code(), base::ErrorCode::invalid);
  expect_replay();
}

TEST_F(PastTest, a_suspended_instance_hears_a_signal_and_waits) {
  const InstanceId id =
      start("do: [{l: {listen: {to: {all: [{with: {type: a}}, {with: {type: b}}]}}}}, {s: {set: {got: '${ . }'}}}]\n");
  ASSERT_TRUE(run(id, instance::suspend));
  ASSERT_TRUE(signal(id, "a", "1"));
  EXPECT_FALSE(signal(id, "a", "1"));  // heard already
  const auto heard = signal(id, "b", "2");
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->status, Status::suspended);
  EXPECT_EQ(state(id), "suspended ");
  ASSERT_TRUE(run(id, instance::resume));
  EXPECT_EQ(state(id), R"(completed {"got":[1,2]})");
  expect_replay();
}

TEST_F(PastTest, the_next_task_of_a_suspended_instance_gets_another_input) {
  const InstanceId id = start("do: [{a: {call: 'p.o:1.0.0@default'}}, {s: {set: {got: '${ . }'}}}]\n");
  ASSERT_TRUE(run(id, instance::suspend));
  const auto resume = [&] {
    return kernel_.run([&](auto& txn, auto& here, auto those) {
      return resume_with(txn, here, those, id, "mended", good(json::parse("[5]")));
    });
  };
  EXPECT_NE(resume().error().message().find("no task is about to begin"), std::string::npos);
  ASSERT_TRUE(kernel_.succeed(kernel_.pending().front().key, "7"));
  ASSERT_TRUE(resume());
  EXPECT_EQ(state(id), R"(completed {"got":[5]})");
  const auto steps = kernel_.timeline(id);
  const auto resumed = std::ranges::find(steps, "resumed", &InstanceStep::outcome);
  ASSERT_NE(resumed, steps.end());
  EXPECT_EQ(resumed->input, "[5]");
  EXPECT_EQ(resumed->reason, "mended");
  expect_replay();
}

TEST_F(PastTest, the_timeline_says_who_did_what_and_why) {
  const InstanceId id = start("do: [{w: {wait: {seconds: 5}}}]\n");
  ASSERT_TRUE(run(id, instance::suspend));
  ASSERT_TRUE(run(id, instance::resume));
  ASSERT_TRUE(run(id, instance::cancel));
  std::string did;
  for (const InstanceStep& step : kernel_.timeline(id)) {
    if (!step.actor.empty()) did += fmt::format("{} {} {};", step.outcome, step.actor, step.reason);
  }
  EXPECT_EQ(did, "suspended member:ada to look;resumed member:ada to look;cancelled member:ada to look;");
}

}  // namespace
}  // namespace trv::instance::testing
