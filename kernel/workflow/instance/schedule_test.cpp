// Schedules: times that come, runs that were missed, and events that are gathered.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>

#include "kernel/workflow/instance/testing/workflow_fixture.hpp"

namespace trv::instance {
namespace {

using testing::good;
using testing::TestKernel;
using namespace std::chrono_literals;

base::Timestamp at(std::string_view text) {
  return base::Timestamp::from_rfc3339(text).value();
}

std::string text_of(std::string_view version, std::string_view schedule, std::string_view metadata = "{}",
                    std::string_view task = "{set: '${ . }'}") {
  return fmt::format(
      "document: {{dsl: '1.0.3', namespace: test, name: it, version: '{}', metadata: {}}}\nschedule: {}\ndo: [{{a: "
      "{}}}]\n",
      version, metadata, schedule, task);
}

class Schedules : public ::testing::Test {
 protected:
  Schedules() { kernel_.now = at("2026-03-01T00:00:00Z"); }

  definition::Name apply(std::string_view version, std::string_view schedule, std::string_view metadata = "{}",
                         std::string_view task = "{set: '${ . }'}") {
    return kernel_.apply_text(text_of(version, schedule, metadata, task));
  }
  std::optional<ScheduleState> state(const TestKernel& kernel, std::string_view version) {
    auto txn = const_cast<TestKernel&>(kernel).read();
    for (const StoredDefinition& one :
         good(DefinitionStore(kernel.tables()).list(txn, base::TenantId("acme"), {}, 100)).items) {
      if (one.name.version == version) return one.schedule;
    }
    return std::nullopt;
  }
  std::string due(std::string_view version = "1.0.0") {
    const auto found = state(kernel_, version);
    if (!found) return "no schedule";
    return found->due ? found->due->to_rfc3339().substr(5, 14) : "none";
  }
  std::vector<InstanceSummary> instances(std::optional<Status> status = std::nullopt) {
    auto txn = kernel_.read();
    return good(InstanceStore(kernel_.tables()).list(txn, base::TenantId("acme"), {.status = status}, {}, 1'000)).items;
  }
  /// Fires what is due at this time.
  void pass(base::Timestamp until) {
    while (auto due = next_timer()) {
      if (*due > until) break;
      kernel_.fire_timer();
    }
    kernel_.now = std::max(kernel_.now, until);
  }
  std::optional<base::Timestamp> next_timer() { return kernel_.next_timer(); }
  std::string outputs() {
    std::string out;
    const auto all = instances();
    for (auto one = all.rbegin(); one != all.rend(); ++one) {
      if (one->status == Status::completed) out += kernel_.detail(one->id).output + "\n";
    }
    return out;
  }
  StartedByEvent receive(std::string_view type, std::string_view id, std::string_view data,
                         DecisionBudget* shared = nullptr) {
    return good(kernel_.run([&](auto& txn, auto& here, auto those) {
      DecisionBudget own;
      return receive_event(
          txn, here, those,
          {.id = std::string(id), .source = "/s", .type = std::string(type), .data = std::string(data)},
          shared == nullptr ? own : *shared);
    }));
  }
  std::uint32_t event_chain_of(const InstanceId& instance) {
    auto txn = kernel_.read();
    return good(event_chain(txn, kernel_.context(), kernel_.workflows(), instance.to_string()));
  }
  void expect_replay_equals_live() {
    TestKernel again;
    again.replay(kernel_);
    EXPECT_TRUE(again.rows() == kernel_.rows());
  }

  TestKernel kernel_;
};

TEST_F(Schedules, a_time_starts_one_instance_that_knows_it) {
  apply("1.0.0", "{cron: 'CRON_TZ=Europe/Berlin 0 9 * * *'}");
  EXPECT_EQ(due(), "03-01T08:00:00");
  pass(at("2026-03-01T07:59:59Z"));
  EXPECT_TRUE(instances().empty());
  pass(at("2026-03-01T08:00:00Z"));
  ASSERT_EQ(instances().size(), 1U);
  EXPECT_EQ(instances()[0].trigger, "schedule:2026-03-01T08:00:00.000000Z");
  EXPECT_EQ(outputs(), R"({"due":"2026-03-01T08:00:00.000000Z","missed":0})"
                       "\n");
  EXPECT_EQ(due(), "03-02T08:00:00");
  pass(at("2026-03-31T12:00:00Z"));
  EXPECT_EQ(instances().size(), 31U);
  EXPECT_EQ(due(), "04-01T07:00:00");
  expect_replay_equals_live();
}

TEST_F(Schedules, a_timer_that_comes_twice_starts_once) {
  apply("1.0.0", "{every: PT1H}");
  kernel_.now = at("2026-03-01T01:00:00Z");
  const auto fire = [&] {
    return good(
        kernel_.run([](auto& txn, auto& here, auto those) { return timer(txn, here, those, "schedule/test/it"); }));
  };
  EXPECT_FALSE(fire().events.empty());
  EXPECT_TRUE(fire().events.empty());
  EXPECT_EQ(instances().size(), 1U);
}

TEST_F(Schedules, runs_overlap_where_one_takes_longer_than_the_interval) {
  apply("1.0.0", "{every: PT1H}", "{}", "{wait: PT150M}");
  pass(at("2026-03-01T03:00:00Z"));
  EXPECT_EQ(instances(Status::running).size(), 3U);
}

TEST_F(Schedules, after_counts_from_the_end_of_a_run_whatever_it_is) {
  apply("1.0.0", "{after: PT1H}", "{}", "{wait: PT3H}");
  EXPECT_EQ(due(), "03-01T01:00:00");
  pass(at("2026-03-01T01:00:00Z"));
  EXPECT_EQ(due(), "none");
  pass(at("2026-03-01T04:00:00Z"));
  EXPECT_EQ(due(), "03-01T05:00:00");
  pass(at("2026-03-01T05:30:00Z"));
  ASSERT_EQ(instances(Status::running).size(), 1U);
  const InstanceId running = instances(Status::running)[0].id;
  (void)good(
      kernel_.run([&](auto& txn, auto& here, auto those) { return cancel(txn, here, those, running, "by hand"); }));
  EXPECT_EQ(due(), "03-01T06:30:00");
  // A new version's first run comes after that of the old one.
  pass(at("2026-03-01T06:30:00Z"));
  apply("1.1.0", "{after: PT10M}", "{}", "{raise: {error: {type: 'about:blank', status: 500}}}");
  EXPECT_EQ(due("1.1.0"), "none");
  pass(at("2026-03-01T09:30:00Z"));
  EXPECT_EQ(due("1.1.0"), "03-01T09:40:00");
  pass(at("2026-03-01T09:40:00Z"));
  EXPECT_EQ(due("1.1.0"), "03-01T09:50:00");
  EXPECT_EQ(instances(Status::faulted).size(), 1U);
  // What others start is not one of its runs.
  (void)kernel_.start({"test", "it", "1.1.0"});
  EXPECT_EQ(due("1.1.0"), "03-01T09:50:00");
  expect_replay_equals_live();
}

TEST_F(Schedules, only_the_newest_version_has_a_schedule) {
  apply("1.0.0", "{every: PT1H}");
  apply("0.9.0", "{every: PT1M}");
  EXPECT_EQ(due("0.9.0"), "no schedule");
  EXPECT_EQ(kernel_.timers(), 1U);
  apply("1.1.0", "{cron: '30 * * * *'}");
  EXPECT_EQ(due("1.0.0"), "no schedule");
  EXPECT_EQ(due("1.1.0"), "03-01T00:30:00");
  EXPECT_EQ(kernel_.timers(), 1U);
  kernel_.apply_text(
      "document: {dsl: '1.0.3', namespace: test, name: it, version: '2.0.0'}\ndo: [{a: {set: {x: 1}}}]\n");
  EXPECT_EQ(due("2.0.0"), "no schedule");
  EXPECT_EQ(kernel_.timers(), 0U);
  expect_replay_equals_live();
}

TEST_F(Schedules, times_that_passed_meanwhile_are_one_run_or_all_or_none) {
  apply("1.0.0", "{every: PT1H}");
  kernel_.now = at("2026-03-01T05:30:00Z");
  pass(kernel_.now);
  EXPECT_EQ(outputs(), R"({"due":"2026-03-01T05:00:00.000000Z","missed":4})"
                       "\n");
  EXPECT_EQ(state(kernel_, "1.0.0")->missed, 4U);
  EXPECT_EQ(due(), "03-01T06:00:00");
  apply("1.1.0", "{every: PT1H}", "{missedRuns: skip}");
  kernel_.now = at("2026-03-01T09:00:00Z");
  pass(kernel_.now);
  EXPECT_EQ(instances().size(), 1U);
  EXPECT_EQ(state(kernel_, "1.1.0")->missed, 3U);
  EXPECT_EQ(due("1.1.0"), "03-01T09:30:00");
  apply("1.2.0", "{every: PT1M}", "{missedRuns: all}");
  kernel_.now = at("2026-03-01T19:00:00Z");
  pass(kernel_.now);
  EXPECT_EQ(instances().size(), 101U);
  EXPECT_EQ(state(kernel_, "1.2.0")->missed, 1U);
  EXPECT_EQ(instances(Status::completed).size(), 101U);
  expect_replay_equals_live();
}

TEST_F(Schedules, a_schedule_goes_on_with_what_the_log_says) {
  apply("1.0.0", "{cron: 'CRON_TZ=America/New_York 30 2 * * *'}");
  pass(at("2026-03-07T12:00:00Z"));
  TestKernel again;
  again.replay(kernel_);
  EXPECT_EQ(again.next_timer(), kernel_.next_timer());
  again.now = kernel_.now;
  // On 8 March 02:30 does not exist: it is taken as 03:30.
  EXPECT_EQ(again.next_timer(), at("2026-03-08T07:30:00Z"));
  EXPECT_TRUE(again.fire_timer());
  EXPECT_EQ(state(again, "1.0.0")->due, at("2026-03-09T06:30:00Z"));
}

constexpr std::string_view all_of_two =
    "{on: {all: [{with: {type: order}, correlate: {order: {from: .data.order}}}, "
    "{with: {type: paid}, correlate: {order: {from: .data.order}}}]}}";

TEST_F(Schedules, all_gathers_events_that_agree) {
  apply("1.0.0", all_of_two, "{}", "{set: '${ map(.id) }'}");
  EXPECT_TRUE(receive("paid", "p1", R"({"order":1})").instances.empty());
  EXPECT_TRUE(receive("order", "o2", R"({"order":2})").instances.empty());
  EXPECT_TRUE(receive("order", "x", R"({"other":2})").decision.events.empty());
  EXPECT_EQ(state(kernel_, "1.0.0")->gathered, 2U);
  kernel_.now = kernel_.now + 24h * 30;
  const auto started = receive("order", "o1", R"({"order":"1"})");
  ASSERT_EQ(started.instances.size(), 1U);
  EXPECT_EQ(kernel_.detail(started.instances[0]).output, R"(["o1","p1"])");
  EXPECT_EQ(kernel_.detail(started.instances[0]).summary.trigger, "event:o1");
  EXPECT_EQ(state(kernel_, "1.0.0")->gathered, 1U);
  // Two of the same wait both, and the one that came first goes first.
  (void)receive("order", "o3", R"({"order":2})");
  EXPECT_EQ(kernel_.detail(receive("paid", "p2", R"({"order":2})").instances.at(0)).output, R"(["o2","p2"])");
  EXPECT_EQ(kernel_.detail(receive("paid", "p3", R"({"order":2})").instances.at(0)).output, R"(["o3","p3"])");
  EXPECT_EQ(state(kernel_, "1.0.0")->gathered, 0U);
  expect_replay_equals_live();
}

TEST_F(Schedules, what_waits_survives_a_restart_and_ends_with_its_version) {
  apply("1.0.0", all_of_two, "{}", "{set: '${ map(.id) }'}");
  (void)receive("paid", "p1", R"({"order":1})");
  TestKernel again;
  again.replay(kernel_);
  EXPECT_EQ(state(again, "1.0.0")->gathered, 1U);
  apply("1.1.0", all_of_two);
  EXPECT_FALSE(state(kernel_, "1.1.0"));
  EXPECT_TRUE(receive("order", "o1", R"({"order":1})").instances.empty());
  expect_replay_equals_live();
}

TEST_F(Schedules, of_the_events_of_one_request_the_second_comes_later) {
  apply("1.0.0", all_of_two);
  DecisionBudget shared;
  EXPECT_FALSE(receive("paid", "p1", R"({"order":1})", &shared).comes_later);
  EXPECT_TRUE(receive("order", "o1", R"({"order":1})", &shared).comes_later);
}

TEST_F(Schedules, a_workflow_that_starts_itself_by_its_event_ends_after_a_hundred_times) {
  apply("1.0.0", "{on: {one: {with: {type: again}}}}", "{}", "{wait: PT1H}");
  std::uint32_t chain = 0;
  std::size_t starts = 0;
  for (int i = 0; i < 150; ++i) {
    const auto started = good(kernel_.run([&](auto& txn, auto& here, auto those) {
      DecisionBudget budget;
      return receive_event(txn, here, those,
                           {.id = fmt::format("e{}", i), .source = "/s", .type = "again", .chain = chain}, budget);
    }));
    if (started.instances.empty()) {
      EXPECT_EQ(started.decision.events.at(0).type, "trv.filter.failed");
      break;
    }
    ++starts;
    chain = event_chain_of(started.instances[0]);
  }
  EXPECT_EQ(starts, 101U);
  // One that takes its time may go on.
  const InstanceId last = instances().front().id;
  kernel_.now = kernel_.now + 2min;
  EXPECT_EQ(event_chain_of(last), 0U);
  expect_replay_equals_live();
}

constexpr std::string_view any_until_end =
    "{read: data, on: {any: [{with: {type: reading}, correlate: {room: {from: .data.room}}}], until: {all: [{with: "
    "{type: left}, correlate: {room: {from: .data.room}}}, {with: {type: locked}, correlate: {room: {from: "
    ".data.room}}}]}}}";

TEST_F(Schedules, any_gathers_until_all_that_ends_it_has_come_and_nothing_is_left) {
  apply("1.0.0", any_until_end, "{}", "{set: '${ map(.n) }'}");
  EXPECT_TRUE(receive("left", "l0", R"({"room":1})").decision.events.empty()) << "there is nothing to end";
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(receive("reading", fmt::format("r{}", i), fmt::format(R"({{"room":1,"n":{}}})", i)).instances.empty());
  }
  (void)receive("reading", "other", R"({"room":2,"n":9})");
  EXPECT_TRUE(receive("locked", "k1", R"({"room":1})").instances.empty());
  EXPECT_TRUE(receive("locked", "k2", R"({"room":1})").decision.events.empty()) << "one is enough";
  EXPECT_EQ(state(kernel_, "1.0.0")->gathered, 5U);
  expect_replay_equals_live();
  const auto started = receive("left", "l1", R"({"room":1})");
  ASSERT_EQ(started.instances.size(), 1U);
  EXPECT_EQ(kernel_.detail(started.instances[0]).output, "[0,1,2]");
  EXPECT_EQ(state(kernel_, "1.0.0")->gathered, 1U);
  EXPECT_TRUE(receive("left", "l2", R"({"room":1})").decision.events.empty()) << "it begins anew";
  (void)receive("left", "l3", R"({"room":2})");
  EXPECT_EQ(kernel_.detail(receive("locked", "k3", R"({"room":2})").instances.at(0)).output, "[9]");
  EXPECT_EQ(state(kernel_, "1.0.0")->gathered, 0U);
  expect_replay_equals_live();
}

TEST_F(Schedules, what_a_list_of_events_has_no_room_for_is_recorded_and_the_list_stays) {
  apply("1.0.0", "{on: {any: [{with: {type: a}}], until: {one: {with: {type: end}}}}}", "{}", "{set: '${ length }'}");
  const std::string large = R"({"text":")" + std::string(100'000, 'x') + "\"}";
  EXPECT_EQ(receive("a", "1", large).decision.events.at(0).type, "trv.workflow.gathered");
  EXPECT_EQ(receive("a", "2", large).decision.events.at(0).type, "trv.workflow.gathered");
  EXPECT_EQ(receive("a", "3", large).decision.events.at(0).type, "trv.filter.failed");
  EXPECT_EQ(kernel_.detail(receive("end", "4", "1").instances.at(0)).output, "2");
  expect_replay_equals_live();
}

TEST_F(Schedules, a_list_of_events_ends_with_its_version) {
  apply("1.0.0", any_until_end);
  (void)receive("reading", "r1", R"({"room":1,"n":1})");
  DecisionBudget shared;
  EXPECT_FALSE(receive("reading", "r2", R"({"room":1,"n":2})", &shared).comes_later);
  EXPECT_TRUE(receive("left", "l", R"({"room":1})", &shared).comes_later) << "of the same request";
  apply("1.1.0", any_until_end);
  EXPECT_TRUE(receive("left", "l1", R"({"room":1})").decision.events.empty());
  expect_replay_equals_live();
}

TEST_F(Schedules, what_cannot_wait_is_recorded) {
  apply("1.0.0", all_of_two);
  const std::string large = R"({"order":1,"text":")" + std::string(200'000, 'x') + "\"}";
  const auto refused = receive("paid", "p1", large);
  ASSERT_EQ(refused.decision.events.size(), 1U);
  EXPECT_EQ(refused.decision.events[0].type, "trv.filter.failed");
}

TEST_F(Schedules, an_expected_value_is_part_of_the_filter) {
  apply("1.0.0", "{on: {one: {with: {type: order}, correlate: {region: {from: .data.region, expect: north}}}}}");
  EXPECT_TRUE(receive("order", "1", R"({"region":"south"})").instances.empty());
  EXPECT_TRUE(receive("order", "2", "{}").instances.empty());
  EXPECT_EQ(receive("order", "3", R"({"region":"north"})").instances.size(), 1U);
}

}  // namespace
}  // namespace trv::instance
