// Timeouts of tasks and workflows: what they end, and who can catch them.

#include <fmt/format.h>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance::testing {
namespace {

class TimeoutTest : public ::testing::Test {
 protected:
  InstanceId start(std::string_view rest) { return kernel_.start(kernel_.apply_text(document(rest)), R"({"n":1})"); }
  /// How an instance ends that only waits for time, and what time that takes.
  static std::string play(std::string_view rest) {
    TestKernel kernel;
    const base::Timestamp began = kernel.now;
    const InstanceId id = kernel.start(kernel.apply_text(document(rest)), R"({"n":1})");
    while (kernel.detail(id).summary.status == Status::running && kernel.fire_timer()) {
    }
    const InstanceDetail detail = kernel.detail(id);
    EXPECT_EQ(kernel.timers(), 0U);
    EXPECT_TRUE(kernel.pending().empty());
    return fmt::format("{} after {} s: {}", to_string(detail.summary.status),
                       (kernel.now - began).count() / 1'000'000'000, detail.output + detail.error);
  }

  TestKernel kernel_;
};

TEST_F(TimeoutTest, a_task_that_takes_too_long_faults_and_can_be_caught) {
  EXPECT_EQ(play("do: [{t: {try: [{w: {wait: {hours: 1}, timeout: {after: {seconds: 5}}}}], catch: {errors: {with: "
                 "{status: 408}}, do: [{c: {set: '${ [.n, $error.instance, $error.type] }'}}]}}}]\n"),
            R"(completed after 5 s: [1,"/do/0/t/try/0/w",)"
            R"("https://serverlessworkflow.io/spec/1.0.0/errors/timeout"])");
  EXPECT_TRUE(play("do: [{w: {wait: {hours: 1}, timeout: {after: PT5S}}}]\n").starts_with("faulted after 5 s"));
  EXPECT_EQ(play("do: [{w: {wait: {seconds: 4}, timeout: {after: PT5S}}}]\n"), R"(completed after 4 s: {"n":1})");
}

TEST_F(TimeoutTest, a_scope_times_out_with_all_that_it_is_inside_of) {
  EXPECT_TRUE(play("do: [{d: {timeout: {after: PT5S}, do: [{a: {wait: {seconds: 3}}}, {b: {wait: {seconds: 3}}}]}}]\n")
                  .starts_with("faulted after 5 s"));
  EXPECT_TRUE(play("do: [{l: {timeout: {after: PT5S}, for: {in: '[1, 2, 3]'}, do: [{b: {wait: {seconds: 2}}}]}}]\n")
                  .starts_with("faulted after 5 s"));
  // A retry does not begin the time of its `try` anew.
  EXPECT_TRUE(play("do: [{t: {timeout: {after: PT5S}, try: [{r: {raise: {error: {type: x, status: 500}}}}], catch: "
                   "{retry: {delay: PT2S, limit: {attempt: {count: 9}}}}}}]\n")
                  .starts_with("faulted after 5 s"));
  EXPECT_TRUE(play("do: [{f: {timeout: {after: PT5S}, fork: {branches: [{a: {wait: {hours: 1}}}, {b: {wait: {seconds: "
                   "1}}}]}}}]\n")
                  .starts_with("faulted after 5 s"));
}

TEST_F(TimeoutTest, the_effects_inside_are_cancelled) {
  const InstanceId id = start(
      "do: [{t: {try: [{f: {timeout: {after: PT5S}, fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}, {b: {call: "
      "'p.o:1.0.0@default'}}]}}}], catch: {do: [{c: {set: '${ $error.status }'}}]}}}]\n");
  const auto effects = kernel_.pending();
  ASSERT_EQ(effects.size(), 2U);
  EXPECT_TRUE(kernel_.fire_timer());
  EXPECT_EQ(kernel_.detail(id).output, "408");
  EXPECT_TRUE(kernel_.pending().empty());
  EXPECT_TRUE(good(kernel_.succeed(effects[0].key, "1")).already_known);
}

TEST_F(TimeoutTest, an_outcome_that_comes_when_the_time_is_over_is_recorded_and_not_used) {
  const InstanceId id =
      start("do: [{d: {timeout: {after: PT5S}, do: [{f: {fork: {branches: [{a: {call: 'p.o:1.0.0@default'}}]}}}]}}]\n");
  const std::string key = kernel_.pending().at(0).key;
  kernel_.now = kernel_.now + std::chrono::seconds(6);
  EXPECT_FALSE(good(kernel_.succeed(key, "1")).already_known);
  EXPECT_EQ(kernel_.detail(id).summary.status, Status::faulted);
  EXPECT_TRUE(kernel_.pending().empty());
  EXPECT_EQ(kernel_.timers(), 0U);
}

TEST_F(TimeoutTest, a_workflow_that_takes_too_long_faults_and_nothing_catches_that) {
  EXPECT_EQ(
      play("timeout: {after: {seconds: '${ .n + 4 }'}}\ndo: [{t: {try: [{w: {wait: {hours: 1}}}], catch: {do: [{c: "
           "{set: {x: 1}}}]}}}]\n")
          .substr(0, 17),
      "faulted after 5 s");
  EXPECT_EQ(play("timeout: {after: PT9S}\ndo: [{w: {wait: {seconds: 4}}}]\n"), R"(completed after 4 s: {"n":1})");
}

TEST_F(TimeoutTest, a_named_timeout_is_found_in_use_timeouts) {
  EXPECT_TRUE(play("use: {timeouts: {short: {after: PT3S}}}\ntimeout: short\ndo: [{w: {wait: {hours: 1}}}]\n")
                  .starts_with("faulted after 3 s"));
  const auto refused = definition::compile(
      document("use: {timeouts: {short: {after: PT3S}}}\ndo: [{w: {wait: {hours: 1}, timeout: shot}}]\n"),
      definition::Format::yaml);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "'use.timeouts' has no timeout 'shot'; did you mean 'short'?");
}

}  // namespace
}  // namespace trv::instance::testing
