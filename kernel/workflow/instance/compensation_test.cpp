// What is undone, in which order, and what is left of it: rows, timers, effects and the timeline.

#include <fmt/format.h>

#include "kernel/workflow/instance/actions.hpp"
#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

constexpr std::string_view undo = "use: {functions: {undo: {call: 'p.undo:1.0.0@default', with: {n: '${ .n }'}}}}\n";

class CompensationTest : public WorkflowTest {
 protected:
  InstanceId start(std::string_view rest) {
    std::string text = document(std::string(undo) + std::string(rest));
    text.replace(text.find("it,"), 2, fmt::format("it{}", ++started_));
    return kernel_.start(kernel_.apply_text(text), "{}");
  }
  base::Status act(const InstanceId& id, decltype(&instance::cancel) operation) {
    const auto acted =
        kernel_.run([&](auto& txn, auto& here, auto those) { return operation(txn, here, those, id, "to look"); });
    return acted ? base::Status() : base::fail(acted.error());
  }
  std::string one_pending() {
    const auto effects = kernel_.pending();
    EXPECT_EQ(effects.size(), 1U);
    return effects.empty() ? std::string() : effects.front().key;
  }
  /// "outcome task" of each step.
  std::vector<std::string> steps(const InstanceId& id) {
    std::vector<std::string> out;
    for (const InstanceStep& step : kernel_.timeline(id)) {
      out.push_back(fmt::format("{} {} {}", step.outcome, step.kind, step.task));
    }
    return out;
  }
  std::vector<InstanceId> found(const Search& search) {
    const auto txn = kernel_.read();
    std::vector<InstanceId> ids;
    for (const InstanceSummary& one :
         good(InstanceStore(kernel_.tables()).list(txn, base::TenantId(kernel_.tenant), search, {}, 100)).items) {
      ids.push_back(one.id);
    }
    return ids;
  }
  /// Rows that a later decision needs.
  std::size_t rows_to_compensate() {
    const auto rows = rows_of(kernel_);
    return static_cast<std::size_t>(
        std::ranges::count_if(rows, [](const auto& row) { return row.first.starts_with("11:"); }));
  }

  int started_ = 0;
};

constexpr std::string_view two_and_fault =
    "do: [{a: {set: {n: 1}, metadata: {compensate: undo}}}, {b: {set: {n: 2}, metadata: {compensate: undo}}}, "
    "{w: {wait: {seconds: 1}}}, {r: {raise: {error: {type: x, status: 409}}}}]\n";

TEST_F(CompensationTest, the_timeline_shows_what_is_undone) {
  const InstanceId id = start(two_and_fault);
  EXPECT_EQ(rows_to_compensate(), 2U);
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(state(id), "compensating ");
  EXPECT_EQ(rows_to_compensate(), 1U);
  ASSERT_TRUE(kernel_.succeed(one_pending(), "1"));
  expect_replay();
  ASSERT_TRUE(kernel_.succeed(one_pending(), "1"));
  EXPECT_TRUE(state(id).starts_with(R"(faulted {"type":"x","status":409)")) << state(id);
  EXPECT_EQ(rows_to_compensate(), 0U);
  const std::vector<std::string> expected = {
      "started  ",         "completed set a",     "completed set b",        "waiting wait w",
      "completed wait w",  "faulted raise r",     "compensating  ",         "compensating compensate b",
      "started call undo", "completed call undo", "completed compensate b", "compensating compensate a",
      "started call undo", "completed call undo", "completed compensate a", "faulted  "};
  EXPECT_EQ(steps(id), expected);
  EXPECT_EQ(kernel_.detail(id).summary.steps, expected.size());
  expect_replay();
}

TEST_F(CompensationTest, each_call_that_undoes_has_a_key_of_its_own) {
  const InstanceId id = start(
      "do: [{each: {for: {in: '[1, 2]'}, do: [{a: {set: {n: '${ $item }'}, metadata: {compensate: undo}}}]}}, "
      "{r: {raise: {error: {type: x, status: 409}}}}]\n");
  const std::string first = one_pending();
  EXPECT_TRUE(first.ends_with("/do/0/each/do/0/a/metadata/compensate/use/functions/undo/1")) << first;
  EXPECT_EQ(kernel_.pending().front().input, R"({"n":2})");
  ASSERT_TRUE(kernel_.succeed(first, "1"));
  EXPECT_TRUE(one_pending().ends_with("/undo/2"));
  EXPECT_EQ(kernel_.pending().front().input, R"({"n":1})");
  ASSERT_TRUE(kernel_.succeed(one_pending(), "1"));
  EXPECT_TRUE(state(id).starts_with("faulted")) << state(id);
}

TEST_F(CompensationTest, what_fails_is_named_and_the_first_error_stays) {
  const InstanceId id = start(two_and_fault);
  EXPECT_TRUE(kernel_.fire_timer());
  ASSERT_TRUE(kernel_.fail(one_pending(), "unavailable"));
  expect_replay();
  ASSERT_TRUE(kernel_.succeed(one_pending(), "1"));
  EXPECT_TRUE(state(id).starts_with(R"(faulted {"type":"x","status":409)")) << state(id);
  EXPECT_TRUE(state(id).ends_with(R"("notCompensated":["/do/1/b"]})")) << state(id);
  EXPECT_TRUE(kernel_.pending().empty());
  expect_replay();
}

TEST_F(CompensationTest, a_cancelled_instance_names_in_its_last_step_what_was_not_undone) {
  const InstanceId id = start("do: [{a: {set: {n: 1}, metadata: {compensate: undo}}}, {w: {wait: {hours: 1}}}]\n");
  ASSERT_TRUE(act(id, cancel_and_compensate));
  EXPECT_EQ(state(id), "compensating ");
  EXPECT_EQ(kernel_.timers(), 0U);
  EXPECT_EQ(act(id, cancel_and_compensate).error().code(), base::ErrorCode::conflict);
  ASSERT_TRUE(kernel_.fail(one_pending(), "unavailable"));
  EXPECT_EQ(state(id), "cancelled ");
  EXPECT_EQ(kernel_.timeline(id).back().error, R"({"notCompensated":["/do/0/a"]})");
  expect_replay();
}

TEST_F(CompensationTest, a_plain_cancellation_ends_it_at_once_and_names_what_was_not_undone) {
  const InstanceId id = start(
      "do: [{a: {set: {n: 1}, metadata: {compensate: undo}}}, {b: {set: {n: 2}, metadata: {compensate: undo}}}, "
      "{w: {wait: {hours: 1}}}]\n");
  ASSERT_TRUE(act(id, cancel_and_compensate));
  ASSERT_TRUE(act(id, cancel));
  EXPECT_EQ(state(id), "cancelled ");
  EXPECT_TRUE(kernel_.pending().empty());
  EXPECT_EQ(rows_to_compensate(), 0U);
  EXPECT_EQ(kernel_.timeline(id).back().error, R"({"notCompensated":["/do/1/b","/do/0/a"]})");
  expect_replay();
}

TEST_F(CompensationTest, a_suspended_instance_can_be_cancelled_with_compensation_and_suspended_meanwhile) {
  const InstanceId id = start(
      "do: [{a: {set: {n: 1}, metadata: {compensate: undo}}}, {b: {set: {n: 2}, metadata: {compensate: undo}}}, "
      "{f: {fork: {branches: [{w: {wait: {hours: 1}}}, {x: {call: 'p.o:1.0.0@default'}}]}}}]\n");
  ASSERT_TRUE(act(id, suspend));
  ASSERT_TRUE(act(id, cancel_and_compensate));
  expect_replay();
  ASSERT_TRUE(act(id, suspend));
  ASSERT_TRUE(kernel_.succeed(one_pending(), "1"));
  EXPECT_EQ(state(id), "suspended ");
  EXPECT_TRUE(kernel_.pending().empty());
  ASSERT_TRUE(act(id, resume));
  ASSERT_TRUE(kernel_.succeed(one_pending(), "1"));
  EXPECT_EQ(state(id), "cancelled ");
  expect_replay();
}

TEST_F(CompensationTest, an_instance_that_was_compensated_cannot_be_tried_again) {
  const InstanceId id = start(two_and_fault);
  EXPECT_TRUE(kernel_.fire_timer());
  ASSERT_TRUE(kernel_.succeed(one_pending(), "1"));
  ASSERT_TRUE(kernel_.succeed(one_pending(), "1"));
  const auto txn = kernel_.read();
  const auto past = before_failure(txn, kernel_.tables(), base::TenantId(kernel_.tenant), id, kernel_.record_at());
  ASSERT_FALSE(past);
  EXPECT_EQ(past.error().code(), base::ErrorCode::conflict);
  EXPECT_NE(past.error().message().find("was compensated"), std::string::npos);
}

TEST_F(CompensationTest, ten_thousand_tasks_are_undone_in_several_decisions) {
  const InstanceId id = kernel_.start(
      kernel_.apply_text(
          document("use: {functions: {undo: {set: {n: '${ .n }'}}}}\n"
                   "do: [{each: {for: {in: '[range(10000)]'}, do: [{a: {set: {n: '${ $item }'}, metadata: {compensate: "
                   "undo}}}]}}, {r: {raise: {error: {type: x, status: 409}}}}]\n")),
      "{}");
  while (kernel_.fire_timer()) {
  }
  EXPECT_TRUE(state(id).starts_with("faulted")) << state(id);
  EXPECT_EQ(rows_to_compensate(), 0U);
  EXPECT_GT(kernel_.detail(id).summary.steps, 40'000U);
}

TEST_F(CompensationTest, the_last_list_finds_what_compensates) {
  (void)start(two_and_fault);
  const InstanceId id = start(
      "do: [{a: {set: {n: 1}, metadata: {compensate: undo}}}, {r: {raise: {error: {type: x, "
      "status: 409}}}}]\n");
  const auto txn = kernel_.read();
  const InstanceStore store(kernel_.tables());
  const auto found = good(store.list(txn, base::TenantId(kernel_.tenant), {.status = Status::compensating}, {}, 10));
  ASSERT_EQ(found.items.size(), 1U);
  EXPECT_EQ(found.items.front().id, id);
}

TEST_F(CompensationTest, what_compensates_is_found_also_while_it_is_suspended_and_says_so_when_it_goes_on) {
  const InstanceId id = start(two_and_fault);
  const InstanceId other = start("do: [{w: {wait: {hours: 1}}}]\n");
  ASSERT_TRUE(act(other, suspend));
  const auto refused_resume = act(id, resume);
  EXPECT_EQ(refused_resume.error().message(), fmt::format("the instance {} is not suspended", id.to_string()));
  ASSERT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(act(id, resume).error().message(),
            fmt::format("the instance {} is compensating and not suspended: it goes on undoing what its tasks have "
                        "done, and then it ends",
                        id.to_string()));
  ASSERT_TRUE(act(id, suspend));
  EXPECT_EQ(found({.status = Status::compensating}), std::vector{id});
  EXPECT_EQ(found({.status = Status::suspended}), (std::vector{other, id}));
  EXPECT_EQ(found({.has_not_ended = true}), (std::vector{other, id}));
  const auto resumed =
      kernel_.run([&](auto& txn, auto& here, auto those) { return resume(txn, here, those, id, "to go on"); });
  ASSERT_TRUE(resumed);
  EXPECT_EQ(resumed->status, Status::compensating);
  const auto txn = kernel_.read();
  const auto past = before_failure(txn, kernel_.tables(), base::TenantId(kernel_.tenant), id, kernel_.record_at());
  ASSERT_FALSE(past);
  EXPECT_NE(past.error().message().find("is compensating: what its tasks had done is being undone"), std::string::npos)
      << past.error().message();
}

TEST_F(CompensationTest, what_was_not_compensated_is_named_and_found_once_it_has_ended) {
  const InstanceId id = start(two_and_fault);
  const InstanceId cut_off = start(two_and_fault);
  (void)start(two_and_fault);
  ASSERT_TRUE(kernel_.fire_timer());
  EXPECT_TRUE(found({.not_compensated = true}).empty());
  ASSERT_TRUE(kernel_.fail(one_pending(), "permanent"));
  EXPECT_EQ(found({.not_compensated = true}), std::vector{id});
  ASSERT_TRUE(kernel_.succeed(one_pending(), "1"));
  EXPECT_EQ(kernel_.detail(id).summary.not_compensated, std::vector<std::string>{"/do/1/b"});
  ASSERT_TRUE(kernel_.fire_timer());
  ASSERT_TRUE(act(cut_off, cancel));
  EXPECT_EQ(kernel_.detail(cut_off).summary.not_compensated, (std::vector<std::string>{"/do/1/b", "/do/0/a"}));
  ASSERT_TRUE(kernel_.fire_timer());
  ASSERT_TRUE(kernel_.succeed(one_pending(), "1"));
  ASSERT_TRUE(kernel_.succeed(one_pending(), "1"));
  EXPECT_EQ(found({.not_compensated = true}), (std::vector{cut_off, id}));
  EXPECT_EQ(found({.status = Status::cancelled, .not_compensated = true}), std::vector{cut_off});
  expect_replay();
}

}  // namespace
}  // namespace trv::instance::testing
