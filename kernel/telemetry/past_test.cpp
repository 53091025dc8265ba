#include "kernel/telemetry/past.hpp"

#include <gtest/gtest.h>

#include "kernel/telemetry/objectives.hpp"

namespace trv::telemetry {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr base::Timestamp start{1'800'000'000'000'000'000};

const json::Value& member(const json::Value& object, std::string_view name) {
  return *object.find(name);
}

Sample at(base::Duration since_start) {
  return {.time = start + since_start, .requests = {}};
}

/// `good` requests that took 2 ms, `slow` that took 2 s, `failed` that took 2 ms, all together since the start.
Sample with_requests(base::Duration since_start, std::uint64_t good, std::uint64_t slow, std::uint64_t failed) {
  Sample sample = at(since_start);
  sample.requests.by_class = {good + slow, 0, 0, failed};
  sample.requests.by_duration[1] = good + failed;
  sample.requests.by_duration[10] = slow;
  return sample;
}

TEST(Past, it_keeps_six_hours) {
  Past past;
  EXPECT_FALSE(past.ends_of(hours(1)));
  for (std::size_t i = 0; i < 3 * samples_max; ++i) past.add(at(static_cast<int>(i) * sample_every));
  const auto ends = past.ends_of(hours(24));
  ASSERT_TRUE(ends);
  EXPECT_EQ(ends->first.time - ends->second.time, sample_every * (samples_max - 1));
  const auto hour = past.ends_of(hours(1));
  EXPECT_EQ(hour->first.time - hour->second.time, hours(1));
  const auto moment = past.ends_of(seconds(1));
  EXPECT_EQ(moment->first.time - moment->second.time, sample_every) << "at least two";
}

TEST(Past, a_clock_that_is_set_back_takes_away_what_would_be_later) {
  Past past;
  for (int i = 0; i < 10; ++i) past.add(at(i * sample_every));
  past.add(at(seconds(35)));
  const auto ends = past.ends_of(hours(1));
  EXPECT_EQ(ends->first.time, start + seconds(35));
  EXPECT_EQ(ends->second.time, start);
}

TEST(Past, what_grows_evenly_is_full_when_its_line_says) {
  Past past;
  for (int i = 0; i <= 720; ++i) {
    Sample sample = at(i * sample_every);
    sample.log_bytes = 1'000 + static_cast<std::uint64_t>(i) * 10;  // one byte in a second, plus a ripple
    sample.log_bytes += i % 2 == 0 ? 3 : 0;
    sample.disk_free_bytes = 100'000'000 - static_cast<std::uint64_t>(i) * 10'000;
    past.add(sample);
  }
  const auto full = past.full_at(&Sample::log_bytes, 1'000 + 7'200 + 86'400);
  ASSERT_TRUE(full);
  EXPECT_NEAR(static_cast<double>((*full - start).count()) / 1e9, 7'200 + 86'400, 120);
  const auto empty = past.empty_at(&Sample::disk_free_bytes);
  ASSERT_TRUE(empty);
  EXPECT_NEAR(static_cast<double>((*empty - start).count()) / 1e9, 100'000, 120);
  EXPECT_FALSE(past.full_at(&Sample::log_bytes, 1'000'000'000'000)) << "in more than a year";
  EXPECT_FALSE(past.full_at(&Sample::projection_bytes, 1)) << "it does not grow";
  EXPECT_FALSE(past.empty_at(&Sample::log_bytes)) << "it grows";
}

TEST(Past, an_outlook_wants_an_hour) {
  Past past;
  for (int i = 0; i < 360; ++i) {
    Sample sample = at(i * sample_every);
    sample.log_bytes = static_cast<std::uint64_t>(i);
    past.add(sample);
  }
  EXPECT_FALSE(past.full_at(&Sample::log_bytes, 1'000));
}

TEST(Past, series_are_rates_between_points) {
  Past past;
  EXPECT_EQ(member(past.series(10), "times").items().size(), 0U);
  for (int i = 0; i <= 100; ++i) {
    Sample sample = with_requests(i * sample_every, static_cast<std::uint64_t>(i) * 50, 0, 0);
    sample.records = static_cast<std::uint64_t>(i) * 20;
    sample.commands_waiting = 7;
    past.add(sample);
  }
  const json::Value series = past.series(10);
  EXPECT_EQ(member(series, "times").items().size(), 10U);
  for (const json::Value& rate : member(series, "requests_per_second").items()) EXPECT_EQ(rate, json::Value(5.0));
  for (const json::Value& rate : member(series, "records_per_second").items()) EXPECT_EQ(rate, json::Value(2.0));
  EXPECT_EQ(member(series, "commands_waiting").items().back(), json::Value(7));
  EXPECT_EQ(member(series, "times").items().back(), json::Value((start + 100 * sample_every).ms() / 1000));
}

TEST(Objectives, the_budget_is_what_may_go_wrong) {
  Past past;
  EXPECT_EQ(member(to_json(objectives(), past).at(0), "budget_left"), json::Value(1.0)) << "nothing went wrong yet";
  past.add(with_requests(seconds(0), 0, 0, 0));
  past.add(with_requests(minutes(5), 99'950, 0, 50));
  const json::Value half = to_json(objectives(), past);
  EXPECT_EQ(member(half.at(0), "name"), json::Value("availability"));
  EXPECT_EQ(member(half.at(0), "budget_left"), json::Value(0.5)) << "50 of 100 that may fail";
  EXPECT_EQ(member(member(half.at(0), "burn"), "5m"), json::Value(0.5));
  EXPECT_EQ(member(half.at(1), "budget_left"), json::Value(1.0));
  past.add(with_requests(minutes(10), 99'950, 2'000, 50));
  const json::Value slow = to_json(objectives(), past);
  EXPECT_LT(member(slow.at(1), "budget_left").as_double(), 0) << "more are slow than the objective allows";
  EXPECT_EQ(member(member(slow.at(1), "burn"), "5m"), json::Value(100.0)) << "all of the last five minutes";
}

}  // namespace
}  // namespace trv::telemetry
