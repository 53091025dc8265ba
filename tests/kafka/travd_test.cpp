// travd with its log on a real Kafka.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/kafka/broker.hpp"
#include "tests/kafka/printed_by.hpp"
#include "tests/support/api/api_fixture.hpp"
#include "tests/support/processes/child_process.hpp"
#include "tests/support/processes/http_client.hpp"

namespace trv::kafka {
namespace {

using api::Answer;
using api::ask;
using api::Daemon;
using namespace std::chrono_literals;

class TravdOnKafka : public testing::Test {
 protected:
  void SetUp() override {
    static int topics = 0;
    topic_ = fmt::format("travd-{}", ++topics);
    configuration_ = scratch_.path() / "travd.toml";
    std::ofstream(configuration_) << fmt::format("shards = 2\n[kafka]\nbrokers = \"{}\"\ntopic = \"{}\"\n", brokers(),
                                                 topic_);
  }
  /// Its exit code.
  int trav(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--config", configuration_.string()});
    auto child = processes::ChildProcess::start(std::filesystem::path(TRV_BINARY_DIR) / "bin/trav", arguments);
    return child ? child->wait(60s).value_or(-1) : -1;
  }
  [[nodiscard]] int create_topic() { return trav({"cluster", "init", "--replication", "1", "--in-sync", "1"}); }
  void start() {
    auto started = Daemon::start(scratch_, {"--config", configuration_.string()});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    if (!daemon_->operator_token().empty()) acme_ = api::create_tenant(*daemon_, "acme");
  }
  void kill() {
    ASSERT_EQ(::kill(daemon_->id(), SIGKILL), 0);
    daemon_.reset();
  }
  Answer run(const std::string& key) {
    return ask(*daemon_, acme_, "POST", "/v1/tenants/acme/workflows/demo/hello/instances", "{}",
               {{"Idempotency-Key", key}});
  }
  /// Every event of the tenant, as the API shows it.
  std::vector<api::json::value> events() {
    std::vector<api::json::value> events;
    std::string after = "0";
    while (true) {
      const auto page = ask(*daemon_, acme_, "GET", "/v1/tenants/acme/events?limit=50&after=" + after).value();
      const auto* items = page.is_object() ? page.as_object().if_contains("items") : nullptr;
      if (items == nullptr || items->as_array().empty()) return events;
      events.insert(events.end(), items->as_array().begin(), items->as_array().end());
      after = events.back().at("position").as_string().c_str();
    }
  }
  std::string state() { return ask(*daemon_, acme_, "GET", "/v1/tenants/acme/instances?limit=500").body; }

  api::ScratchFolder scratch_;
  std::filesystem::path configuration_;
  std::string topic_;
  std::unique_ptr<Daemon> daemon_;
  std::string acme_;
};

TEST_F(TravdOnKafka, keeps_what_was_acknowledged_over_kills_and_without_its_projection) {
  ASSERT_EQ(create_topic(), 0);
  EXPECT_EQ(create_topic(), 1) << "it exists";
  EXPECT_EQ(trav({"cluster", "check"}), 0);
  start();
  ASSERT_EQ(ask(*daemon_, acme_, "POST", "/v1/tenants/acme/workflows", std::string(api::hello_workflow),
                {{"Content-Type", "application/yaml"}})
                .status,
            201);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(run(fmt::format("key-{}", i)).status, 201);
  const std::string before = state();
  kill();
  start();
  EXPECT_EQ(state(), before);
  EXPECT_EQ(run("key-3").status, 200) << "the same key starts nothing";
  EXPECT_EQ(run("key-20").status, 201);
  const std::string after = state();
  kill();
  std::filesystem::remove_all(scratch_.path() / "data/projection");
  start();
  EXPECT_EQ(state(), after) << "from the log alone";
  EXPECT_EQ(daemon_->stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(scratch_.path() / "data/log"));
}

TEST_F(TravdOnKafka, the_packages_print_the_events_that_the_api_shows) {
  ASSERT_EQ(create_topic(), 0);
  start();
  ASSERT_EQ(ask(*daemon_, acme_, "POST", "/v1/tenants/acme/workflows", std::string(api::hello_workflow),
                {{"Content-Type", "application/yaml"}})
                .status,
            201);
  for (int i = 0; i < 40; ++i) ASSERT_EQ(run(fmt::format("key-{}", i)).status, 201);
  const auto options = [&](const std::string& language) -> std::vector<std::string> {
    return {"--tenant", "acme", "--checkpoint", (scratch_.path() / ("checkpoint-" + language)).string()};
  };
  const std::vector<api::json::value> before = events();
  for (const std::string& language : languages()) {
    EXPECT_EQ(printed_by(language, topic_, options(language)), before) << language;
  }
  auto fits = processes::ChildProcess::start("/usr/bin/python3",
                                             {"-B", TRV_SOURCE_DIR "/tests/clients/topic_fits.py", brokers(), topic_});
  ASSERT_TRUE(fits);
  EXPECT_EQ(fits->wait(60s), 0) << "the topic is not what clients/schemas/asyncapi.json says";
  kill();
  start();
  const auto received = ask(*daemon_, acme_, "POST", "/v1/tenants/acme/events",
                            R"({"specversion":"1.0","id":"1","source":"/test","type":"order.paid","level":3,)"
                            R"("data":{"text":"Stra\u00dfe \"1\"","numbers":[0.1,-7,123456789012345678,true,null]}})",
                            {{"Content-Type", "application/cloudevents+json"}});
  EXPECT_EQ(received.status / 100, 2) << received.body;
  for (int i = 40; i < 80; ++i) ASSERT_EQ(run(fmt::format("key-{}", i)).status, 201);
  const std::vector<api::json::value> shown = events();
  const auto behind = [&](std::size_t count) {
    return std::vector<api::json::value>(shown.begin() + static_cast<std::ptrdiff_t>(count), shown.end());
  };
  const std::string middle = shown[shown.size() / 2].at("position").as_string().c_str();
  for (const std::string& language : languages()) {
    SCOPED_TRACE(language);
    const std::vector<api::json::value> rest = printed_by(language, topic_, options(language));
    ASSERT_EQ(rest.size(), shown.size() - before.size());
    for (std::size_t i = 0; i < rest.size(); ++i) EXPECT_EQ(rest[i], shown[before.size() + i]) << i;
    EXPECT_TRUE(printed_by(language, topic_, options(language)).empty()) << "the checkpoint is behind the last event";
    EXPECT_EQ(printed_by(language, topic_, {"--tenant", "acme", "--from", middle}), behind(shown.size() / 2 + 1));
    EXPECT_EQ(printed_by(language, topic_, {"--tenant", "acme", "--type", "trv.instance.started"}).size(), 80U);
    EXPECT_GT(printed_by(language, topic_).size(), shown.size()) << "the platform's own events, too";
  }
  EXPECT_EQ(daemon_->stop(), 0);
}

TEST_F(TravdOnKafka, the_sink_to_files_has_the_events_that_the_api_shows) {
  ASSERT_EQ(create_topic(), 0);
  start();
  const auto sink = [&] {
    const std::string path = std::string("PYTHONPATH=") + TRV_BINARY_DIR + "/clients/python";
    auto child = processes::ChildProcess::start(
        "/usr/bin/env", {path, "/usr/bin/python3", TRV_SOURCE_DIR "/clients/samples/sink_jsonl.py", "--brokers",
                         brokers(), "--topic", topic_, "--folder", (scratch_.path() / "sink").string(), "--until-end"});
    return child ? child->wait(60s).value_or(-1) : -1;
  };
  EXPECT_EQ(sink(), 0);
  ASSERT_EQ(ask(*daemon_, acme_, "POST", "/v1/tenants/acme/members", R"({"user":"ada","role":"viewer"})").status, 201);
  EXPECT_EQ(sink(), 0);
  std::ifstream file(scratch_.path() / "sink/acme.jsonl");
  std::vector<api::json::value> stored;
  for (std::string line; std::getline(file, line);) stored.push_back(api::json::parse(line));
  EXPECT_EQ(stored, events());
  EXPECT_GE(stored.size(), 3U);
  EXPECT_EQ(daemon_->stop(), 0);
}

TEST_F(TravdOnKafka, begins_with_a_snapshot_where_its_projection_is_lost) {
  ASSERT_EQ(create_topic(), 0);
  std::ofstream(configuration_, std::ios::app) << "[snapshots]\nrecords = 1\n";
  start();
  ASSERT_EQ(ask(*daemon_, acme_, "POST", "/v1/tenants/acme/workflows", std::string(api::hello_workflow),
                {{"Content-Type", "application/yaml"}})
                .status,
            201);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(run(fmt::format("key-{}", i)).status, 201);
  const auto is_taken = [&](const char* shard) {
    std::error_code error;
    return !std::filesystem::is_empty(scratch_.path() / "data/snapshots" / shard, error) && !error;
  };
  for (int tries = 0; tries < 600 && !(is_taken("0") && is_taken("1")); ++tries) std::this_thread::sleep_for(100ms);
  const std::string before = state();
  kill();
  std::filesystem::remove_all(scratch_.path() / "data/projection");
  start();
  EXPECT_EQ(state(), before);
  EXPECT_NE(daemon_->output().find("rebuilt from the snapshot at record "), std::string::npos) << daemon_->output();
  EXPECT_EQ(run("key-3").status, 200) << "the same key starts nothing";
  EXPECT_EQ(run("key-20").status, 201);
  EXPECT_EQ(daemon_->stop(), 0);
}

TEST_F(TravdOnKafka, answers_503_while_the_broker_is_paused_and_goes_on_by_itself) {
  ASSERT_EQ(create_topic(), 0);
  start();
  ASSERT_EQ(ask(*daemon_, acme_, "POST", "/v1/tenants/acme/workflows", std::string(api::hello_workflow),
                {{"Content-Type", "application/yaml"}})
                .status,
            201);
  pause_brokers(true);
  std::thread wakes([] {
    std::this_thread::sleep_for(25s);
    pause_brokers(false);
  });
  processes::HttpClient client;
  const auto refused = client.send({.method = "POST",
                                    .url = daemon_->url() + "/v1/tenants/acme/workflows/demo/hello/instances",
                                    .headers = {{"Authorization", "Bearer " + acme_},
                                                {"Content-Type", "application/json"},
                                                {"Idempotency-Key", "key"}},
                                    .body = "{}",
                                    .timeout = 60s});
  ASSERT_TRUE(refused) << refused.error().message();
  EXPECT_EQ(refused->status, 503) << refused->body;
  EXPECT_GT(refused->retry_after_s, 0);
  wakes.join();
  // The same key: the answer was lost, and the start may be stored or not.
  long status = 0;
  for (int tries = 0; tries < 300 && status != 200 && status != 201; ++tries) {
    status = run("key").status;
    std::this_thread::sleep_for(100ms);
  }
  EXPECT_TRUE(status == 200 || status == 201) << status;
  const std::string found = state();
  std::size_t instances = 0;
  for (std::size_t at = found.find("\"status\""); at != std::string::npos; at = found.find("\"status\"", at + 1))
    ++instances;
  EXPECT_EQ(instances, 1U) << found;
  EXPECT_EQ(daemon_->stop(), 0);
}

TEST_F(TravdOnKafka, an_idle_daemon_says_when_kafka_goes_away_and_when_it_comes_back) {
  ASSERT_EQ(create_topic(), 0);
  start();
  const auto is = [&](long status, const std::string& line) {
    for (int tries = 0; tries < 600; ++tries) {
      if (ask(*daemon_, "", "GET", "/readyz").status == status &&
          daemon_->complaints().find(line) != std::string::npos) {
        return true;
      }
      std::this_thread::sleep_for(100ms);
    }
    return false;
  };
  ASSERT_TRUE(is(200, ""));
  pause_brokers(true);
  EXPECT_TRUE(is(503, "Kafka does not answer: "));
  EXPECT_NE(ask(*daemon_, "", "GET", "/readyz").body.find("Kafka does not answer"), std::string::npos);
  pause_brokers(false);
  EXPECT_TRUE(is(200, "Kafka answers again, after ")) << daemon_->complaints();
  EXPECT_EQ(daemon_->stop(), 0);
}

TEST_F(TravdOnKafka, does_not_start_on_a_topic_or_a_folder_that_does_not_fit) {
  const auto start_ends_with = [&](const std::string& text) {
    const api::Ended ended = run_daemon(
        scratch_, {"--config", configuration_.string(), "--data", (scratch_.path() / "data").string(), "--port", "0"});
    EXPECT_EQ(ended.code, 2) << ended.out;
    EXPECT_NE(ended.err.find(text), std::string::npos) << ended.err;
  };
  EXPECT_EQ(trav({"cluster", "check"}), 2);
  start_ends_with("`trav cluster init` creates the topic");
  ASSERT_EQ(trav({"cluster", "init", "--partitions", "1", "--replication", "1", "--in-sync", "1"}), 0);
  EXPECT_EQ(trav({"cluster", "check"}), 1);
  start_ends_with("partitions is 1, but must be 2");
  std::filesystem::create_directories(scratch_.path() / "data/log");
  std::ofstream(scratch_.path() / "data/log/data.mdb") << "x";
  start_ends_with("unset kafka.brokers, or choose another data folder");
}

}  // namespace
}  // namespace trv::kafka
