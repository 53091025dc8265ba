// How travd and trav log in to a real Kafka.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <fstream>

#include "events/kafka/kafka_event_log.hpp"
#include "events/kafka/topic.hpp"
#include "sdk/base/clock.hpp"
#include "tests/kafka/broker.hpp"
#include "tests/support/api/api_fixture.hpp"
#include "tests/support/processes/child_process.hpp"

namespace trv::kafka {
namespace {

/// From this version on librdkafka logs in to Kafka 4 by SCRAM.
constexpr int scram_version = 0x020601ff;

class KafkaLogin : public testing::Test {
 protected:
  void SetUp() override {
    static int topics = 0;
    settings_.topic = fmt::format("login-{}", ++topics);
    settings_.brokers = secured_broker().by_password;
    settings_.tls = true;
    settings_.ca_file = file("ca.pem");
  }
  static std::string file(const char* name) { return (secured_broker().files / name).string(); }
  void log_in_as(Mechanism mechanism, const char* user, const char* password) {
    settings_.mechanism = mechanism;
    settings_.user = user;
    settings_.password = password;
  }
  /// Administers, reads and writes.
  void expect_use() {
    const auto created = create_topic(settings_, {.partitions = 1, .replication = 1, .in_sync_min = 1});
    ASSERT_TRUE(created) << created.error().message();
    KafkaEventLog log(settings_);
    const auto claim = log.claim(record::ShardId(0), "node", base::Uuid({1}), {});
    ASSERT_TRUE(claim) << claim.error().message();
    EXPECT_EQ(claim->next, record::Lsn(1));
  }
  void expect_refusal(std::string_view reason) {
    const base::SystemClock clock;
    const base::Duration began = clock.monotonic();
    const auto checked = check_topic(settings_, 1);
    ASSERT_FALSE(checked);
    waited_ = clock.monotonic() - began;
    EXPECT_NE(checked.error().message().find(reason), std::string::npos) << checked.error().message();
  }

  Settings settings_;
  base::Duration waited_{};
};

TEST_F(KafkaLogin, by_password_over_tls) {
  log_in_as(Mechanism::plain, "plain", "of-plain");
  expect_use();
}

TEST_F(KafkaLogin, by_scram_with_a_librdkafka_that_can_and_is_refused_by_name_with_another) {
  for (const Mechanism mechanism : {Mechanism::scram_sha_256, Mechanism::scram_sha_512}) {
    log_in_as(mechanism, "scram", "of-scram");
    settings_.topic += mechanism == Mechanism::scram_sha_256 ? "-256" : "-512";
    if (rd_kafka_version() >= scram_version) {
      expect_use();
    } else {
      expect_refusal("cannot log in to Kafka by SCRAM-SHA-");
      expect_refusal("2.6.1");
    }
  }
}

TEST_F(KafkaLogin, by_certificate) {
  settings_.brokers = secured_broker().by_certificate;
  settings_.certificate_file = file("client.pem");
  settings_.key_file = file("client.key");
  expect_use();
}

TEST_F(KafkaLogin, with_a_wrong_password_says_so) {
  log_in_as(Mechanism::plain, "plain", "of-somebody-else");
  expect_refusal("check user, password and mechanism");
  EXPECT_LT(waited_, std::chrono::seconds(10)) << "it waited for what cannot come";
}

TEST_F(KafkaLogin, to_brokers_of_an_unknown_authority_says_so) {
  log_in_as(Mechanism::plain, "plain", "of-plain");
  settings_.ca_file = file("stranger.pem");
  expect_refusal("certificate");
  EXPECT_LT(waited_, std::chrono::seconds(10));
}

TEST_F(KafkaLogin, is_what_travd_and_trav_are_configured_with) {
  const api::ScratchFolder scratch;
  const std::filesystem::path configuration = scratch.path() / "travd.toml";
  std::ofstream(scratch.path() / "password") << "of-plain\n";
  std::ofstream(configuration) << fmt::format(
      "[kafka]\nbrokers = \"{}\"\ntopic = \"{}\"\ntls = true\nca_file = \"{}\"\nmechanism = \"plain\"\nuser = "
      "\"plain\"\npassword_file = \"{}\"\n",
      settings_.brokers, settings_.topic, settings_.ca_file, (scratch.path() / "password").string());
  auto created =
      processes::ChildProcess::start(std::filesystem::path(TRV_BINARY_DIR) / "bin/trav",
                                     {"cluster", "init", "--replication", "1", "--config", configuration.string()});
  ASSERT_TRUE(created);
  ASSERT_EQ(created->wait(std::chrono::seconds(60)).value_or(-1), 0);
  auto started = api::Daemon::start(scratch, {"--config", configuration.string()});
  ASSERT_TRUE(started) << started.error().message();
  EXPECT_FALSE(api::create_tenant(**started, "acme").empty());
  EXPECT_EQ((*started)->stop(), 0);
}

}  // namespace
}  // namespace trv::kafka
