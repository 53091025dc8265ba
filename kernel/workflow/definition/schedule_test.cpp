#include "kernel/workflow/definition/schedule.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "kernel/workflow/definition/check.hpp"
#include "kernel/workflow/definition/definition.hpp"

namespace trv::definition {
namespace {

using base::Timestamp;

std::string text_with(std::string_view schedule, std::string_view metadata = "{}") {
  return fmt::format(
      "document: {{dsl: '1.0.3', namespace: test, name: it, version: '1.0.0', metadata: {}}}\nschedule: {}\n"
      "do: [{{a: {{set: {{x: 1}}}}}}]\n",
      metadata, schedule);
}

std::string found(std::string_view schedule, std::string_view metadata = "{}") {
  std::string out;
  for (const Problem& problem : check(text_with(schedule, metadata), Format::yaml).problems) {
    out += fmt::format("{}:{} {}{}\n", problem.position.line, problem.position.column,
                       problem.is_warning ? "warning: " : "", problem.message);
  }
  return out;
}

Schedule schedule(std::string_view text, std::string_view metadata = "{}") {
  const auto compiled = compile(text_with(text, metadata), Format::yaml);
  EXPECT_TRUE(compiled) << compiled.error().message();
  return compiled->schedule.value();
}

Timestamp at(std::string_view text) {
  return Timestamp::from_rfc3339(text).value();
}

std::string shown(const Firing& firing) {
  std::string out;
  for (const Timestamp start : firing.starts) out += start.to_rfc3339().substr(11, 8) + " ";
  return out + fmt::format("missed {}, next {}", firing.missed,
                           firing.next ? firing.next->to_rfc3339().substr(11, 8) : std::string("none"));
}

TEST(Schedule, each_kind_is_shown_in_one_line) {
  EXPECT_EQ(schedule("{every: {hours: 1, minutes: 30}}").text, "every PT1H30M");
  EXPECT_EQ(schedule("{every: P1DT0.5S}").text, "every P1DT0.5S");
  EXPECT_EQ(schedule("{cron: 'CRON_TZ=Europe/Berlin  0 9 * * MON-FRI'}").text, "cron 0 9 * * MON-FRI (Europe/Berlin)");
  EXPECT_EQ(schedule("{cron: '@daily'}").text, "cron 0 0 * * *");
  EXPECT_EQ(schedule("{after: P1M}").text, "after P1M");
}

TEST(Schedule, what_cannot_be_is_refused_with_its_place) {
  EXPECT_EQ(found("{every: PT1H, cron: '* * * * *'}"),
            "2:11 'schedule' must have one of 'every', 'cron' and 'after', or 'on', or both\n");
  EXPECT_EQ(found("{}"), "2:11 'schedule' must have one of 'every', 'cron' and 'after', or 'on', or both\n");
  EXPECT_EQ(found("{every: PT0.5S}"), "2:19 'every' of a schedule must be a second or longer\n");
  EXPECT_EQ(found("{after: {seconds: 0}}"), "2:19 'after' of a schedule must be a second or longer\n");
  EXPECT_EQ(
      found("{every: P1M}"),
      "2:19 'every' cannot count months or years, which have no fixed length; write for example cron: '0 0 1 * *'\n");
  EXPECT_EQ(found("{every: 5m}"), "2:19 '5m' is not an ISO 8601 duration; write PT5M, or {minutes: 5}\n");
  EXPECT_EQ(
      found("{every: '${ .x }'}"),
      "2:19 'every' of a schedule must be a length of time such as PT1H: there is no instance yet that an expression "
      "could look at\n");
  EXPECT_EQ(found("{cron: '0 25 * * *'}"),
            "2:18 the hour '25' of a cron expression is out of range: it goes from 0 to 23\n");
  EXPECT_EQ(found("{cron: 'CRON_TZ=Europe/Berln 0 2 * * *'}"),
            "2:18 'Europe/Berln' is not a time zone that this host knows; did you mean 'Europe/Berlin'?\n");
  EXPECT_EQ(found("{every: PT1H}", "{missedRuns: never}"), "1:94 'metadata.missedRuns' must be once, all or skip\n");
  EXPECT_EQ(found("{on: {one: {with: {type: a}}}}", "{missedRuns: all}"), "");
  EXPECT_EQ(found("{after: PT1H}", "{missedRuns: all}"),
            "1:94 warning: 'metadata.missedRuns' says nothing with 'after': no run is missed\n");
  EXPECT_EQ(found("{on: {all: [{with: {type: a}}]}}"),
            "2:22 'all' needs two event filters or more; for one write 'one'\n");
  EXPECT_EQ(found("{on: {all: [{with: {type: a}, correlate: {o: {from: .data.o}}}, {with: {type: b}}]}}"),
            "2:75 every filter of 'all' must correlate by the same names; the first one has [o], this one has []\n");
  EXPECT_EQ(
      found("{on: {any: [{with: {type: a}, correlate: {o: {from: .data.o}}}], until: {any: [{with: {type: b}}]}}}"),
      "2:90 every filter of 'any' and 'until' must correlate by the same names; the first one has [o], this one "
      "has []\n");
  // What is wrong in one filter leaves fewer of them.
  EXPECT_NE(found("{on: {any: [{wiht: {type: a}}, {with: {type: b}}], until: {one: {with: {type: c}}}}}"), "");
  EXPECT_NE(found("{on: {nay: 1, one: {with: {type: a}}, all: [{with: {type: a}}, {with: {type: b}}]}}"), "");
  EXPECT_EQ(found("{on: {one: {with: {type: a}, correlate: {o: {from: .data.o, expect: '${ .x }'}}}}}"),
            "2:71 'expect' in a schedule must be a value: there is no instance yet that an expression could look at\n");
}

TEST(Schedule, on_may_be_beside_a_time) {
  const auto compiled =
      compile(text_with("{every: PT1H, on: {any: [{with: {type: a}}, {with: {type: b}}]}}"), Format::yaml);
  ASSERT_TRUE(compiled) << compiled.error().message();
  EXPECT_TRUE(compiled->schedule);
  EXPECT_EQ(compiled->starts.size(), 2U);
}

TEST(Schedule, in_time_each_time_is_a_run) {
  const Schedule hourly = schedule("{every: PT1H}");
  EXPECT_EQ(hourly.first(at("2026-01-01T00:10:00Z")), at("2026-01-01T01:10:00Z"));
  EXPECT_EQ(shown(fire(hourly, at("2026-01-01T01:10:00Z"), at("2026-01-01T01:10:02Z"))),
            "01:10:00 missed 0, next 02:10:00");
  const Schedule after = schedule("{after: PT1H}");
  EXPECT_EQ(after.first(at("2026-01-01T00:10:00Z")), at("2026-01-01T01:10:00Z"));
  EXPECT_EQ(shown(fire(after, at("2026-01-01T01:10:00Z"), at("2026-01-01T09:10:00Z"))), "01:10:00 missed 0, next none");
}

TEST(Schedule, missed_runs_are_made_up_for_once_or_all_or_not) {
  const std::string_view quarters = "{cron: '*/15 * * * *'}";
  const Timestamp due = at("2026-01-01T01:15:00Z");
  const Timestamp late = at("2026-01-01T02:20:00Z");
  EXPECT_EQ(shown(fire(schedule(quarters), due, late)), "02:15:00 missed 4, next 02:30:00");
  EXPECT_EQ(shown(fire(schedule(quarters, "{missedRuns: skip}"), due, late)), "missed 5, next 02:30:00");
  EXPECT_EQ(shown(fire(schedule(quarters, "{missedRuns: all}"), due, late)),
            "01:15:00 01:30:00 01:45:00 02:00:00 02:15:00 missed 0, next 02:30:00");
  // One that is not late is never skipped.
  EXPECT_EQ(shown(fire(schedule(quarters, "{missedRuns: skip}"), due, at("2026-01-01T02:15:30Z"))),
            "02:15:00 missed 4, next 02:30:00");
}

TEST(Schedule, a_long_time_without_runs_costs_little) {
  const Timestamp due = at("2026-01-01T00:00:00Z");
  const Timestamp late = at("2030-01-01T00:00:30Z");
  for (const std::string_view each :
       {"{every: PT1S}", "{cron: '* * * * *'}", "{cron: 'CRON_TZ=Europe/Berlin * * * * *'}"}) {
    const Firing all = fire(schedule(each, "{missedRuns: all}"), due, late);
    EXPECT_EQ(all.starts.size(), 100U);
    EXPECT_TRUE(std::ranges::is_sorted(all.starts));
    EXPECT_GE(all.missed, 1U);
    const Firing once = fire(schedule(each), due, late);
    EXPECT_EQ(once.starts.size(), 1U);
    EXPECT_EQ(once.missed, 100U);
  }
}

}  // namespace
}  // namespace trv::definition
