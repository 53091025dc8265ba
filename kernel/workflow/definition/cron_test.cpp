#include "kernel/workflow/definition/cron.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <vector>

namespace trv::definition {
namespace {

using base::Timestamp;

Timestamp at(std::string_view text) {
  return Timestamp::from_rfc3339(text).value();
}

std::string error_of(std::string_view text) {
  const auto parsed = Cron::parse(text);
  return parsed ? "ok" : parsed.error().message();
}

/// The next times, without what all of them have.
std::string next_times(std::string_view cron, std::string_view after, int count) {
  const auto parsed = Cron::parse(cron);
  if (!parsed) return parsed.error().message();
  std::string out;
  Timestamp time = at(after);
  for (int i = 0; i < count; ++i) {
    const auto next = parsed->next(time);
    if (!next) return out + "none";
    time = *next;
    out += (i == 0 ? "" : " ") + time.to_rfc3339().substr(5, 11);
  }
  return out;
}

TEST(Cron, fields_are_values_ranges_steps_lists_and_names) {
  EXPECT_EQ(next_times("0 9 * * *", "2026-03-01T09:00:00Z", 2), "03-02T09:00 03-03T09:00");
  EXPECT_EQ(next_times("*/20 8-9 * * *", "2026-03-01T08:30:00Z", 4), "03-01T08:40 03-01T09:00 03-01T09:20 03-01T09:40");
  EXPECT_EQ(next_times("5,50-59/5 0 * * *", "2026-03-01T00:00:00Z", 4),
            "03-01T00:05 03-01T00:50 03-01T00:55 03-02T00:05");
  EXPECT_EQ(next_times("0 0 1 jan,JUL *", "2026-03-01T00:00:00Z", 2), "07-01T00:00 01-01T00:00");
  EXPECT_EQ(next_times("0 0 * * fri-SUN", "2026-03-02T00:00:00Z", 4),
            "03-06T00:00 03-07T00:00 03-08T00:00 03-13T00:00");
  EXPECT_EQ(next_times("0 0 * * 7", "2026-03-02T00:00:00Z", 1), "03-08T00:00");
  EXPECT_EQ(next_times("@weekly", "2026-03-02T00:00:00Z", 1), "03-08T00:00");
  EXPECT_EQ(next_times("0 0 29 2 *", "2096-03-01T00:00:00Z", 1), "02-29T00:00");
  EXPECT_EQ(next_times(" 0\t0  1 * * ", "2026-03-02T00:00:00Z", 1), "04-01T00:00");
}

TEST(Cron, of_two_restricted_days_one_suffices) {
  EXPECT_EQ(next_times("0 0 13 * FRI", "2026-03-01T00:00:00Z", 4), "03-06T00:00 03-13T00:00 03-20T00:00 03-27T00:00");
  EXPECT_EQ(next_times("0 0 13 * *", "2026-03-01T00:00:00Z", 2), "03-13T00:00 04-13T00:00");
  EXPECT_EQ(next_times("0 0 31 2 MON", "2026-02-01T00:00:00Z", 1), "02-02T00:00");
}

TEST(Cron, what_is_wrong_is_said_with_the_field) {
  EXPECT_EQ(error_of("61 * * * *"), "the minute '61' of a cron expression is out of range: it goes from 0 to 59");
  EXPECT_EQ(error_of("* * * * 8"), "the day of the week '8' of a cron expression is out of range: it goes from 0 to 7");
  EXPECT_EQ(error_of("* 17-9 * * *"),
            "the hour '17-9' of a cron expression has a range that ends before it begins: 17-9");
  EXPECT_EQ(
      error_of("*/0 * * * *"),
      "the minute '*/0' of a cron expression has a step that is not a number from 1 to 60; write for example */2");
  EXPECT_EQ(error_of("5/15 * * * *"),
            "the minute '5/15' of a cron expression has a step without a range; write 5-59/15");
  EXPECT_EQ(error_of("0 0 L * *"),
            "the day of the month 'L' of a cron expression has 'L', 'W' or '#', which are not known here; let the "
            "workflow look at the date itself, with 'if' or 'switch'");
  EXPECT_EQ(error_of("0 0 ? * *"),
            "the day of the month '?' of a cron expression has '?', which other dialects know; write '*'");
  EXPECT_EQ(error_of("0 0 * JUNE *"),
            "the month 'JUNE' of a cron expression is not understood; write for example 1, JAN or 3-5");
  EXPECT_EQ(
      error_of("0 0 0 * * *"),
      "a cron expression has five fields: minute, hour, day of the month, month, day of the week; this one has 6, "
      "and seconds and years are not known");
  EXPECT_EQ(error_of("0 0 30 2 *"), "'30 2' of a cron expression is a day that no year has");
  EXPECT_EQ(error_of("@reboot"),
            "'@reboot' is not known; write @hourly, @daily, @weekly, @monthly, @yearly or five fields, and "
            "'every' for a length of time");
  EXPECT_EQ(error_of("0,,1 * * * *"),
            "the minute '0,,1' of a cron expression is not understood; write for example 0, */15 or 0,30");
  EXPECT_EQ(error_of("TZ=UTC 0 0 * * *"), "a cron expression has its time zone behind 'CRON_TZ=', not 'TZ='");
  EXPECT_EQ(
      error_of(""),
      "a cron expression has five fields: minute, hour, day of the month, month, day of the week; this one has 0");
}

TEST(Cron, an_unknown_zone_is_refused_with_the_nearest_one) {
  const auto zone = [](std::string_view name) { return error_of(fmt::format("CRON_TZ={} 0 0 * * *", name)); };
  EXPECT_EQ(zone("Europe/Berlin"), "ok");
  EXPECT_EQ(zone("Etc/GMT+5"), "ok");
  EXPECT_EQ(zone("Europe/Berln"),
            "'Europe/Berln' is not a time zone that this host knows; did you mean 'Europe/Berlin'?");
  EXPECT_EQ(zone("berlin"), "'berlin' is not a time zone that this host knows; did you mean 'Europe/Berlin'?");
  const std::string plain =
      "' is not a time zone that this host knows; write an area and a city, for example Europe/Berlin";
  for (const std::string name : {"PST", "+02:00", "../../../etc/passwd", "/etc/passwd", "right/Europe/Berlin",
                                 "localtime", "file:/etc/passwd", "Europe", "Europe/", "tzdata.zi", "."}) {
    EXPECT_NE(zone(name), "ok") << name;
  }
  EXPECT_EQ(zone("PST"), "'PST" + plain);
  EXPECT_EQ(zone("+02:00"), "'+02:00" + plain);
}

TEST(Cron, a_local_time_that_does_not_exist_is_taken_an_hour_later) {
  // Berlin: 02:00 becomes 03:00 on 29 March 2026, at 01:00 UTC.
  EXPECT_EQ(next_times("CRON_TZ=Europe/Berlin 30 2 * * *", "2026-03-28T00:00:00Z", 3),
            "03-28T01:30 03-29T01:30 03-30T00:30");
  EXPECT_EQ(next_times("CRON_TZ=Europe/Berlin 30 2,3 * * *", "2026-03-28T12:00:00Z", 3),
            "03-29T01:30 03-30T00:30 03-30T01:30");
  EXPECT_EQ(next_times("CRON_TZ=Europe/Berlin 30 * * * *", "2026-03-29T00:00:00Z", 2), "03-29T00:30 03-29T01:30");
}

TEST(Cron, a_local_time_that_comes_twice_is_taken_once_unless_each_hour_is_named) {
  // Berlin: 03:00 becomes 02:00 on 25 October 2026, at 01:00 UTC.
  EXPECT_EQ(next_times("CRON_TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z", 2), "10-25T00:30 10-26T01:30");
  EXPECT_EQ(next_times("CRON_TZ=Europe/Berlin 30 * * * *", "2026-10-24T23:00:00Z", 4),
            "10-24T23:30 10-25T00:30 10-25T01:30 10-25T02:30");
  // New York: 01:30 comes at 05:30 and 06:30 UTC on 1 November 2026.
  EXPECT_EQ(next_times("CRON_TZ=America/New_York 30 1 * * *", "2026-10-31T12:00:00Z", 2), "11-01T05:30 11-02T06:30");
}

/// The rule written down a second time: whether this UTC minute is one of the schedule's, by looking at it alone.
bool is_due(const cctz::time_zone& zone, std::int64_t time, bool every_hour,
            const std::function<bool(const cctz::civil_second&)>& names) {
  const auto instant = [](std::int64_t s) { return cctz::time_point<cctz::seconds>(cctz::seconds(s)); };
  const cctz::civil_second local = cctz::convert(instant(time), zone);
  if (names(local) && local.second() == 0) {
    if (every_hour) return true;
    // The first time that the clock shows it.
    if (zone.lookup(local).pre == instant(time)) return true;
  }
  if (every_hour) return false;
  // What the clock would show had it not been changed within the last day.
  for (const std::int64_t back : {1'800, 3'600, 7'200, 86'400}) {
    const cctz::civil_second skipped = local - back;
    const auto found = zone.lookup(skipped);
    if (found.kind == cctz::time_zone::civil_lookup::SKIPPED && found.pre == instant(time) && names(skipped))
      return true;
  }
  return false;
}

TEST(Cron, next_and_last_agree_with_a_look_at_each_minute) {
  struct Case {
    std::string fields;
    bool every_hour;
    std::function<bool(const cctz::civil_second&)> names;
  };
  const auto weekday = [](const cctz::civil_second& t) {
    return (static_cast<int>(cctz::get_weekday(cctz::civil_day(t))) + 1) % 7;
  };
  const std::vector<Case> cases = {
      {"30 2 * * *", false, [](const auto& t) { return t.hour() == 2 && t.minute() == 30; }},
      {"*/15 1-3 * * *", false, [](const auto& t) { return t.hour() >= 1 && t.hour() <= 3 && t.minute() % 15 == 0; }},
      {"7 * * * *", true, [](const auto& t) { return t.minute() == 7; }},
      {"*/10 * * * SUN", true, [&](const auto& t) { return t.minute() % 10 == 0 && weekday(t) == 0; }},
      {"0 0 * * *", false, [](const auto& t) { return t.hour() == 0 && t.minute() == 0; }},
      {"15 0-2,23 30,1 * SUN", false,
       [&](const auto& t) {
         return t.minute() == 15 && (t.hour() <= 2 || t.hour() == 23) &&
                (t.day() == 30 || t.day() == 1 || weekday(t) == 0);
       }},
      {"45 1 25-31 3,10 *", false,
       [](const auto& t) {
         return t.minute() == 45 && t.hour() == 1 && t.day() >= 25 && (t.month() == 3 || t.month() == 10);
       }},
  };
  struct Span {
    std::string zone, from, to;
  };
  const std::vector<Span> spans = {
      {"Europe/Berlin", "2026-03-27T00:00:00Z", "2026-04-01T00:00:00Z"},
      {"Europe/Berlin", "2026-10-23T00:00:00Z", "2026-10-28T00:00:00Z"},
      {"America/New_York", "2040-03-09T00:00:00Z", "2040-03-14T00:00:00Z"},     // behind the listed changes
      {"America/Sao_Paulo", "2018-11-02T00:00:00Z", "2018-11-06T00:00:00Z"},    // midnight does not exist
      {"Australia/Lord_Howe", "2026-04-03T00:00:00Z", "2026-04-07T00:00:00Z"},  // by half an hour
      {"Australia/Lord_Howe", "2026-10-02T00:00:00Z", "2026-10-06T00:00:00Z"},
      {"Pacific/Apia", "2011-12-28T00:00:00Z", "2012-01-02T00:00:00Z"},  // a day that did not exist
      {"Africa/Casablanca", "2026-02-13T00:00:00Z", "2026-02-17T00:00:00Z"},
      {"Asia/Kathmandu", "2026-03-27T00:00:00Z", "2026-03-30T00:00:00Z"},
      {"UTC", "2026-12-30T00:00:00Z", "2027-01-03T00:00:00Z"},
  };
  std::size_t due = 0;
  for (const Span& span : spans) {
    cctz::time_zone zone;
    ASSERT_TRUE(cctz::load_time_zone(span.zone, &zone)) << span.zone;
    for (const Case& one : cases) {
      const auto cron = Cron::parse(fmt::format("CRON_TZ={} {}", span.zone, one.fields));
      ASSERT_TRUE(cron) << cron.error().message();
      const std::int64_t from = at(span.from).ns() / 1'000'000'000;
      const std::int64_t to = at(span.to).ns() / 1'000'000'000;
      std::vector<std::int64_t> expected;
      for (std::int64_t time = from; time < to; time += 60) {
        if (is_due(zone, time, one.every_hour, one.names)) expected.push_back(time);
      }
      std::vector<std::int64_t> forward;
      for (Timestamp time((from - 1) * 1'000'000'000);;) {
        const auto next = cron->next(time);
        if (!next || next->ns() / 1'000'000'000 >= to) break;
        ASSERT_GT(*next, time);
        forward.push_back((time = *next).ns() / 1'000'000'000);
      }
      EXPECT_EQ(forward, expected) << span.zone << " " << span.from << " " << one.fields;
      std::vector<std::int64_t> backward;
      for (Timestamp time(to * 1'000'000'000 - 1);;) {
        const auto last = cron->last(time);
        if (!last || last->ns() / 1'000'000'000 < from) break;
        ASSERT_LE(*last, time);
        backward.insert(backward.begin(), last->ns() / 1'000'000'000);
        time = Timestamp(last->ns() - 1);
      }
      EXPECT_EQ(backward, expected) << span.zone << " " << span.from << " " << one.fields;
      due += expected.size();
    }
  }
  EXPECT_GT(due, 1'000U);
}

TEST(Cron, the_last_time_before_the_next_is_the_same_for_random_expressions) {
  std::mt19937_64 random(11);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  const auto field = [&](unsigned first, unsigned last) {
    if (below(3) == 0) return std::string("*");
    const std::uint64_t from = first + below(last - first + 1);
    const std::uint64_t to = from + below(last - from + 1);
    return below(2) == 0 ? fmt::format("{}", from) : fmt::format("{}-{}/{}", from, to, 1 + below(5));
  };
  for (int i = 0; i < 2'000; ++i) {
    static constexpr std::array<std::string_view, 4> zones = {"UTC", "Europe/Berlin", "America/New_York",
                                                              "Australia/Lord_Howe"};
    const std::string text = fmt::format("CRON_TZ={} {} {} {} {} {}", zones[below(zones.size())], field(0, 59),
                                         field(0, 23), field(1, 28), field(1, 12), field(0, 6));
    const auto cron = Cron::parse(text);
    ASSERT_TRUE(cron) << text << ": " << cron.error().message();
    const Timestamp now = at("2026-01-01T00:00:00Z") + std::chrono::seconds(below(3 * 365 * 86'400));
    const auto next = cron->next(now);
    ASSERT_TRUE(next) << text;
    ASSERT_GT(*next, now) << text;
    EXPECT_EQ(cron->last(*next), next) << text;
    const auto last = cron->last(now);
    ASSERT_TRUE(last) << text;
    ASSERT_LE(*last, now);
    EXPECT_EQ(cron->next(*last), next) << text;
  }
}

}  // namespace
}  // namespace trv::definition
