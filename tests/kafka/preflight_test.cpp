// What the installer's preflight says of a real Kafka.

#include "installer/steps/preflight.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "events/kafka/topic.hpp"
#include "sdk/base/clock.hpp"
#include "tests/kafka/broker.hpp"

namespace trv::kafka {
namespace {

std::vector<steps::Finding> findings(const std::string& topic, std::uint64_t shards, const std::string& where) {
  const steps::Places places;
  config::Config config;
  config.kafka_brokers = where;
  config.kafka_topic = topic;
  config.shards = shards;
  config.data_folder = testing::TempDir();
  std::vector<steps::Finding> out;
  for (steps::Finding& one :
       steps::preflight({.places = places, .config = config, .bundle_bytes = 0, .made = {}, .runs_already = true},
                        base::SystemClock())) {
    if (one.what.starts_with("Kafka")) out.push_back(std::move(one));
  }
  return out;
}

const steps::Finding* find(const std::vector<steps::Finding>& all, std::string_view what) {
  const auto found = std::ranges::find(all, what, &steps::Finding::what);
  return found == all.end() ? nullptr : &*found;
}

TEST(KafkaPreflight, names_a_topic_that_is_missing_and_how_to_make_it) {
  const auto all = findings("preflight-missing", 1, brokers());
  const steps::Finding* topic = find(all, "Kafka, topic preflight-missing");
  ASSERT_NE(topic, nullptr);
  EXPECT_EQ(topic->level, steps::Level::failed);
  EXPECT_THAT(topic->found, testing::HasSubstr("preflight-missing"));
  EXPECT_THAT(topic->action, testing::HasSubstr("trav cluster init --config"));
}

TEST(KafkaPreflight, says_of_each_setting_what_was_found_and_needed_as_trav_cluster_check_does) {
  Settings settings;
  settings.brokers = brokers();
  settings.topic = "preflight-small";
  ASSERT_TRUE(create_topic(settings, {.partitions = 1, .replication = 1, .in_sync_min = 1}));
  const auto all = findings(settings.topic, 4, brokers());
  const auto compared = check_cluster(settings, 4);
  ASSERT_TRUE(compared) << compared.error().message();
  ASSERT_FALSE(compared->deviations.empty());
  for (const Deviation& one : compared->deviations) {
    const steps::Finding* finding = find(all, "Kafka, " + one.setting);
    ASSERT_NE(finding, nullptr) << one.setting;
    EXPECT_EQ(finding->found, one.found);
    EXPECT_EQ(finding->needed, one.needed);
    EXPECT_THAT(finding->action, testing::HasSubstr(one.consequence));
    EXPECT_EQ(finding->level, one.loses ? steps::Level::failed : steps::Level::warning) << one.setting;
  }
  // Three shards have no partition; one copy is a warning.
  ASSERT_NE(find(all, "Kafka, partitions"), nullptr);
  EXPECT_EQ(find(all, "Kafka, partitions")->level, steps::Level::failed);
  ASSERT_NE(find(all, "Kafka, replicas"), nullptr);
  EXPECT_EQ(find(all, "Kafka, replicas")->level, steps::Level::warning);
  EXPECT_EQ(find(findings(settings.topic, 1, brokers()), "Kafka, partitions"), nullptr);
}

TEST(KafkaPreflight, asks_no_further_where_no_broker_answers) {
  const auto all = findings("preflight-nobody", 1, "127.0.0.1:1");
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all.front().level, steps::Level::failed);
  EXPECT_THAT(all.front().found, testing::HasSubstr("127.0.0.1:1"));
}

}  // namespace
}  // namespace trv::kafka
