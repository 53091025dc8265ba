#include "kernel/plugin_host/metric_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace trv::plugin_host {
namespace {

using testing::HasSubstr;

std::string problem_of(MetricTable& table, Measurement one) {
  const base::Status recorded = table.record(std::move(one));
  return recorded ? "" : recorded.error().message();
}

TEST(MetricTableTest, counters_add_gauges_replace_and_histograms_count) {
  MetricTable table;
  EXPECT_EQ(problem_of(table, {.name = "pages", .value = 2, .labels = {{"b", "2"}, {"a", "1"}}}), "");
  EXPECT_EQ(problem_of(table, {.name = "pages", .value = 3, .labels = {{"a", "1"}, {"b", "2"}}}), "");
  EXPECT_EQ(problem_of(table, {.kind = MetricKind::gauge, .name = "open", .value = 7}), "");
  EXPECT_EQ(problem_of(table, {.kind = MetricKind::gauge, .name = "open", .value = -1}), "");
  for (const double value : {0.005, 0.3, 60.0}) {
    EXPECT_EQ(problem_of(table, {.kind = MetricKind::histogram, .name = "seconds", .value = value}), "");
  }
  const auto all = table.all();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].value, 5);
  EXPECT_EQ(all[1].value, -1);
  EXPECT_EQ(all[2].observed, 3U);
  EXPECT_EQ(all[2].buckets.front(), 1U);
  EXPECT_EQ(all[2].buckets.back(), 2U);
}

TEST(MetricTableTest, what_is_over_a_bound_is_named_and_dropped) {
  MetricTable table;
  EXPECT_THAT(problem_of(table, {.name = "Pages", .value = 1}), HasSubstr("\"Pages\""));
  EXPECT_THAT(problem_of(table, {.name = std::string(65, 'x'), .value = 1}), HasSubstr("at most 64 bytes"));
  EXPECT_THAT(problem_of(table, {.name = "pages", .value = -1}), HasSubstr("-1"));
  EXPECT_THAT(problem_of(table, {.name = "pages", .value = NAN}), HasSubstr("nan"));
  EXPECT_THAT(problem_of(table, {.name = "pages", .value = 1, .labels = {{"plugin", "other"}}}), HasSubstr("plugin"));
  EXPECT_THAT(problem_of(table, {.name = "pages", .value = 1, .labels = {{"a", "1"}, {"a", "2"}}}), HasSubstr("\"a\""));
  EXPECT_THAT(problem_of(table, {.name = "pages", .value = 1, .labels = {{"a", "\xff"}}}), HasSubstr("\"a\""));
  EXPECT_THAT(problem_of(table, {.name = "pages", .value = 1, .labels = MetricLabels(5)}), HasSubstr("5 labels"));
  EXPECT_TRUE(table.all().empty());
  for (std::size_t i = 0; i < metric_series_max; ++i) {
    EXPECT_EQ(problem_of(table, {.name = "pages", .value = 1, .labels = {{"of", std::to_string(i)}}}), "");
  }
  EXPECT_THAT(problem_of(table, {.name = "pages", .value = 1, .labels = {{"of", "more"}}}), HasSubstr("200 series"));
  EXPECT_THAT(problem_of(table, {.kind = MetricKind::gauge, .name = "pages", .value = 1}), HasSubstr("another kind"));
  EXPECT_EQ(problem_of(table, {.name = "pages", .value = 1, .labels = {{"of", "7"}}}), "");
}

}  // namespace
}  // namespace trv::plugin_host
