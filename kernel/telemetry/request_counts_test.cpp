#include "kernel/telemetry/request_counts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace trv::telemetry {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

TEST(RequestCounts, classes_and_durations_are_counted) {
  RequestCounts counts;
  counts.answered(200, milliseconds(1));
  counts.answered(304, microseconds(999));
  counts.answered(404, milliseconds(3));
  counts.answered(503, std::chrono::seconds(30));
  const RequestFigures figures = counts.read();
  EXPECT_EQ(figures.by_class, (std::array<std::uint64_t, 4>{1, 1, 1, 1}));
  EXPECT_EQ(figures.total(), 4U);
  EXPECT_EQ(figures.failed(), 1U);
  EXPECT_EQ(figures.within(0.001), 2U) << "a bound is within";
  EXPECT_EQ(figures.within(0.005), 3U);
  EXPECT_EQ(figures.within(10), 3U);
  EXPECT_EQ(figures.by_duration.back(), 1U);
  EXPECT_EQ(figures.took_us, 30'004'999U);
}

TEST(RequestCounts, a_quantile_lies_in_its_bucket) {
  RequestCounts counts;
  EXPECT_EQ(counts.read().quantile(0.5), 0);
  for (int i = 0; i < 98; ++i) counts.answered(200, milliseconds(2));
  for (int i = 0; i < 2; ++i) counts.answered(200, milliseconds(80));
  const RequestFigures figures = counts.read();
  EXPECT_GT(figures.quantile(0.5), 0.001);
  EXPECT_LE(figures.quantile(0.5), 0.0025);
  EXPECT_GT(figures.quantile(0.99), 0.05);
  EXPECT_LE(figures.quantile(0.99), 0.1);
  counts.answered(200, std::chrono::minutes(1));
  EXPECT_EQ(counts.read().quantile(1), 10) << "the last bound";
}

TEST(RequestCounts, since_is_what_came_between) {
  RequestCounts counts;
  counts.answered(500, milliseconds(2));
  const RequestFigures before = counts.read();
  counts.answered(200, milliseconds(2));
  const RequestFigures between = counts.read().since(before);
  EXPECT_EQ(between.total(), 1U);
  EXPECT_EQ(between.failed(), 0U);
}

TEST(RequestCounts, a_bucket_keeps_the_newest_of_its_exemplars) {
  RequestCounts counts;
  const auto context = trace::Context::begin("one", true);
  counts.keep_exemplar(trace::Context::begin("older", true), std::chrono::milliseconds(3), base::Timestamp(1));
  counts.keep_exemplar(context, std::chrono::milliseconds(4), base::Timestamp(2));
  counts.keep_exemplar(context, std::chrono::seconds(11), base::Timestamp(3));
  const Exemplars kept = counts.exemplars();
  ASSERT_EQ(kept.size(), duration_bounds.size() + 1);
  ASSERT_TRUE(kept[2] && kept.back());
  EXPECT_EQ(kept[2]->context, context);
  EXPECT_EQ(kept[2]->value, 0.004);
  EXPECT_EQ(kept[2]->time, base::Timestamp(2));
  EXPECT_EQ(kept.back()->value, 11);
  EXPECT_EQ(std::ranges::count_if(kept, [](const auto& one) { return one.has_value(); }), 2);
}

TEST(RequestCounts, nothing_is_lost_where_several_count) {
  RequestCounts counts;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10'000; ++n) counts.answered(201, microseconds(n));
    });
  }
  threads.clear();
  EXPECT_EQ(counts.read().total(), 40'000U);
}

}  // namespace
}  // namespace trv::telemetry
