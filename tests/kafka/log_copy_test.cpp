// `trav log copy` between the embedded log and a real Kafka, and travd on both sides of it.

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "events/kafka/kafka_event_log.hpp"
#include "events/log/lmdb_event_log.hpp"
#include "events/log/log_writer.hpp"
#include "tests/kafka/broker.hpp"
#include "tests/kafka/nodes_fixture.hpp"
#include "tests/support/api/api_fixture.hpp"
#include "tests/support/processes/child_process.hpp"

namespace trv::kafka {
namespace {

using api::Answer;
using api::ask;
using api::Daemon;
using processes::ChildProcess;
using namespace std::chrono_literals;

class LogCopyOnKafka : public testing::Test {
 protected:
  void SetUp() override {
    static int topics = 0;
    topic_ = fmt::format("copy-{}", ++topics);
    const std::string common =
        fmt::format("shards = 2\n[data]\nfolder = \"{}\"\n[egress]\nallow_private_network = true\n", data().string());
    std::ofstream(embedded()) << common;
    std::ofstream(on_kafka()) << common
                              << fmt::format("[kafka]\nbrokers = \"{}\"\ntopic = \"{}\"\n", brokers(), topic_);
  }
  [[nodiscard]] std::filesystem::path data() const { return scratch_.path() / "data"; }
  [[nodiscard]] std::string embedded() const { return (scratch_.path() / "embedded.toml").string(); }
  [[nodiscard]] std::string on_kafka() const { return (scratch_.path() / "kafka.toml").string(); }
  static base::Result<ChildProcess> begin(const std::vector<std::string>& arguments) {
    return ChildProcess::start(std::filesystem::path(TRV_BINARY_DIR) / "bin/trav", arguments);
  }
  /// Its exit code; its first line is in said_.
  int trav(const std::vector<std::string>& arguments) {
    auto child = begin(arguments);
    if (!child) return -1;
    said_ = child->line(120s).value_or("");
    return child->wait(120s).value_or(-1);
  }
  int create_topic() {
    return trav({"cluster", "init", "--config", on_kafka(), "--replication", "1", "--in-sync", "1"});
  }
  static std::vector<std::string> copying(const std::string& from, const std::string& to) {
    return {"log", "copy", "--from", from, "--to", to, "--output", "json"};
  }
  int copy(const std::string& from, const std::string& to) { return trav(copying(from, to)); }
  /// A member of the first shard in what the copy printed.
  [[nodiscard]] std::int64_t copied(std::string_view member) const {
    return boost::json::parse(said_).at("shards").at(0).at(member).to_number<std::int64_t>();
  }
  void start(const std::string& configuration) {
    auto started = Daemon::start(scratch_, {"--config", configuration});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    if (!daemon_->operator_token().empty()) acme_ = api::create_tenant(*daemon_, "acme");
  }
  void expect_no_start(const std::string& configuration, const std::string& text) {
    const api::Ended ended =
        run_daemon(scratch_, {"--config", configuration, "--data", data().string(), "--port", "0"});
    EXPECT_NE(ended.code, 0) << ended.out;
    EXPECT_NE(ended.err.find(text), std::string::npos) << ended.err;
  }
  long apply(const std::string& name, const std::string& task) {
    const std::string text = fmt::format(
        "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: {}\n  version: '1.0.0'\ndo:\n  - it:\n{}", name, task);
    return ask(*daemon_, acme_, "POST", "/v1/tenants/acme/workflows", text, {{"Content-Type", "application/yaml"}})
        .status;
  }
  long run(const std::string& workflow, const std::string& key) {
    return ask(*daemon_, acme_, "POST", fmt::format("/v1/tenants/acme/workflows/demo/{}/instances", workflow), "{}",
               {{"Idempotency-Key", key}})
        .status;
  }
  std::string state() { return ask(*daemon_, acme_, "GET", "/v1/tenants/acme/instances?limit=500").body; }
  void wait_until_all_ended() {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (state().find("\"running\"") != std::string::npos) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << state();
      std::this_thread::sleep_for(20ms);
    }
  }
  /// Starts of both workflows, whose effects go out and come back.
  void work(const std::string& round) {
    for (int i = 0; i < 8; ++i) {
      ASSERT_EQ(run("plain", fmt::format("plain-{}-{}", round, i)), 201);
      ASSERT_EQ(run("asks", fmt::format("asks-{}-{}", round, i)), 201);
    }
    wait_until_all_ended();
    ASSERT_EQ(state().find("faulted"), std::string::npos) << state();
  }
  /// Everything that was exported before still verifies, and the trail has grown from it.
  void expect_trail_goes_on(const std::string& before, const std::string& after) {
    const std::string key = (scratch_.path() / "first/key.pub").string();
    const std::string old_folder = (scratch_.path() / before).string();
    const std::string folder = (scratch_.path() / after).string();
    EXPECT_EQ(export_trail(after), 0) << said_;
    EXPECT_EQ(trav({"audit", "verify", old_folder, "--key-file", key}), 0) << said_;
    EXPECT_EQ(trav({"audit", "verify", folder, "--key-file", key, "--since", old_folder + "/checkpoint"}), 0) << said_;
  }
  int export_trail(const std::string& name) {
    return trav({"audit", "export", "--output", (scratch_.path() / name).string(), "--proofs", "all", "--url",
                 daemon_->url(), "--tenant", "acme", "--token", acme_});
  }
  static std::vector<base::Digest> hashes_of(log::EventLog& log) {
    std::vector<base::Digest> hashes;
    const auto reader = log.read(log::ShardId(0), log::Lsn(1));
    EXPECT_TRUE(reader.has_value());
    for (auto stored = (*reader)->next(1s); stored && *stored; stored = (*reader)->next(1s)) {
      hashes.push_back(record::hash_of((*stored)->bytes));
    }
    return hashes;
  }
  /// An embedded log of so many records under several epochs.
  void fill(std::size_t records) {
    const auto log = log::LmdbEventLog::open(data() / "log");
    ASSERT_TRUE(log.has_value());
    for (std::size_t stored = 0; stored < records;) {
      const auto claim = (*log)->claim(log::ShardId(0), "node", base::Uuid());
      log::LogWriter writer(*claim);
      for (int i = 0; i < 10; ++i, stored += 1'000) {
        const auto ticket = (*log)->append(writer.claim(), writer.batch(1'000, 300));
        ASSERT_TRUE((*log)->settle(*ticket).has_value());
      }
    }
  }
  [[nodiscard]] std::unique_ptr<KafkaEventLog> topic() const {
    Settings settings;
    settings.brokers = brokers();
    settings.topic = topic_;
    return std::make_unique<KafkaEventLog>(settings);
  }

  api::ScratchFolder scratch_;
  std::string topic_;
  std::string said_;
  std::unique_ptr<Daemon> daemon_;
  std::string acme_;
};

TEST_F(LogCopyOnKafka, travd_goes_on_with_its_work_its_state_and_its_trails_in_both_directions) {
  start(embedded());
  ASSERT_EQ(apply("plain", "      set:\n        text: Hello\n"), 201);
  ASSERT_EQ(
      apply("asks", fmt::format("      call: http\n      with:\n        method: get\n        endpoint: {}/v1/version\n",
                                daemon_->url())),
      201);
  work("first");
  ASSERT_EQ(export_trail("first"), 0) << said_;
  std::string before = state();
  const std::string asked = daemon_->url();
  EXPECT_EQ(copy(embedded(), on_kafka()), 1) << "travd runs";
  ASSERT_EQ(daemon_->stop(), 0);

  ASSERT_EQ(copy(embedded(), on_kafka()), 2) << "there is no topic";
  ASSERT_EQ(create_topic(), 0);
  ASSERT_EQ(copy(embedded(), on_kafka()), 0);
  EXPECT_GT(boost::json::parse(said_).at("records").to_number<std::int64_t>(), 50);
  expect_no_start(on_kafka(), "copy it with `trav log copy`, then move");
  std::filesystem::rename(data() / "log", scratch_.path() / "log-before-kafka");

  // The projection is kept: where it was in the other log is of no use, and of no harm.
  start(on_kafka());
  EXPECT_EQ(state(), before);
  EXPECT_EQ(run("plain", "plain-first-3"), 200) << "the same key starts nothing";
  ASSERT_EQ(apply("asks-again",
                  fmt::format("      call: http\n      with:\n        method: get\n        endpoint: {}/v1/version\n",
                              daemon_->url())),
            201);
  ASSERT_EQ(run("asks-again", "again"), 201);
  ASSERT_EQ(run("plain", "plain-second"), 201);
  wait_until_all_ended();
  expect_trail_goes_on("first", "second");
  before = state();
  ASSERT_EQ(::kill(daemon_->id(), SIGKILL), 0);
  daemon_.reset();
  std::filesystem::remove_all(data() / "projection");
  start(on_kafka());
  EXPECT_EQ(state(), before) << "from the copy alone";
  EXPECT_EQ(copy(on_kafka(), embedded()), 1) << "travd runs";
  ASSERT_EQ(daemon_->stop(), 0);

  ASSERT_EQ(copy(on_kafka(), embedded()), 0);
  start(embedded());
  EXPECT_EQ(state(), before);
  EXPECT_EQ(run("plain", "plain-second"), 200);
  ASSERT_EQ(run("plain", "plain-third"), 201);
  wait_until_all_ended();
  expect_trail_goes_on("second", "third");
  expect_trail_goes_on("first", "third");
  before = state();
  ASSERT_EQ(daemon_->stop(), 0);
  std::filesystem::remove_all(data() / "projection");
  start(embedded());
  EXPECT_EQ(state(), before);
  EXPECT_EQ(daemon_->stop(), 0);
  // The topic has the log as it was: a second copy into it would mix two.
  EXPECT_EQ(copy(embedded(), on_kafka()), 1);
}

TEST_F(LogCopyOnKafka, a_kill_within_a_copy_costs_nothing_but_another_run) {
  constexpr std::size_t records = 120'000;
  fill(records);
  ASSERT_EQ(create_topic(), 0);
  std::vector<base::Digest> expected;
  {
    const auto source = log::LmdbEventLog::open(data() / "log");
    expected = hashes_of(**source);
  }
  ASSERT_EQ(expected.size(), records);
  const auto kill_when = [&](const std::vector<std::string>& arguments, const std::function<bool()>& condition) {
    auto child = begin(arguments);
    ASSERT_TRUE(child.has_value());
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::sleep_for(1ms);
    }
    child->signal(SIGKILL);
    EXPECT_EQ(child->wait(30s), 128 + SIGKILL);
  };
  const auto there = topic();
  kill_when(copying(embedded(), on_kafka()), [&] {
    const auto bounds = there->bounds(log::ShardId(0));
    return bounds && bounds->last > log::Lsn(0);
  });
  ASSERT_LT(there->bounds(log::ShardId(0))->last, log::Lsn(records));
  expect_no_start(on_kafka(), "was cut off: run the same `trav log copy` again");
  EXPECT_EQ(copy(on_kafka(), (std::filesystem::create_directory(scratch_.path() / "else"), scratch_.path() / "else")),
            1)
      << "half a log is not copied further";
  ASSERT_EQ(copy(embedded(), on_kafka()), 0);
  EXPECT_EQ(copied("records"), static_cast<std::int64_t>(records));
  EXPECT_GT(copied("found"), 0);
  EXPECT_LT(copied("found"), static_cast<std::int64_t>(records));
  EXPECT_EQ(hashes_of(*there), expected);

  std::filesystem::rename(data() / "log", scratch_.path() / "log-before-kafka");
  kill_when(copying(on_kafka(), embedded()), [&] {
    std::error_code error;
    const auto size = std::filesystem::file_size(data() / "log/data.mdb", error);
    return !error && size > 4'000'000;
  });
  expect_no_start(embedded(), "was cut off: run the same `trav log copy` again");
  ASSERT_EQ(copy(on_kafka(), embedded()), 0);
  EXPECT_EQ(copied("records"), static_cast<std::int64_t>(records));
  const auto back = log::LmdbEventLog::open(data() / "log");
  EXPECT_EQ(hashes_of(**back), expected);
}

TEST_F(LogCopyOnKafka, a_kill_before_kafka_answers_leaves_no_folder_that_looks_new) {
  std::filesystem::create_directories(data());
  const std::string silent = (scratch_.path() / "silent.toml").string();
  std::ofstream(silent) << fmt::format("[data]\nfolder = \"{}\"\n[kafka]\nbrokers = \"127.0.0.1:1\"\n",
                                       (scratch_.path() / "other").string());
  auto child = begin(copying(silent, embedded()));
  ASSERT_TRUE(child.has_value());
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (!std::filesystem::exists(data() / "copy.unfinished") && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(1ms);
  }
  child->signal(SIGKILL);
  EXPECT_EQ(child->wait(30s), 128 + SIGKILL);
  EXPECT_FALSE(std::filesystem::exists(data() / "log"));
  expect_no_start(embedded(), "was cut off: run the same `trav log copy` again");
}

TEST_F(LogCopyOnKafka, a_topic_that_can_lose_records_is_refused) {
  fill(10'000);
  ASSERT_EQ(
      trav({"cluster", "init", "--config", on_kafka(), "--partitions", "1", "--replication", "1", "--in-sync", "1"}),
      0);
  EXPECT_EQ(copy(embedded(), on_kafka()), 2);
  EXPECT_FALSE(std::filesystem::exists(data() / "copy.unfinished"));
}

TEST_F(Nodes, go_back_to_one_travd_on_an_embedded_log) {
  start(0);
  const std::string token = create_tenant(0, "acme");
  const std::string connection = R"({"base_url":"https://desk.example","auth":{"scheme":"bearer"},"secret":"sesame"})";
  const Answer connected = insist(0, token, "PUT", "/v1/tenants/acme/connections/desk", connection);
  EXPECT_TRUE(connected.status == 201 || connected.status == 200) << connected.body;
  EXPECT_EQ(run(0, "acme", token, "once").status, 201);
  const std::string trail = insist(0, token, "GET", "/v1/tenants/acme/audit/key").body;
  EXPECT_EQ(daemons_[0]->stop(), 0);

  const auto common = shared_.path() / "common";
  const auto alone = scratch_[2].path() / "data";
  std::filesystem::create_directories(alone);
  auto copy = ChildProcess::start(std::filesystem::path(TRV_BINARY_DIR) / "bin/trav",
                                  {"log", "copy", "--from", configuration(0).string(), "--to", alone.string()});
  ASSERT_TRUE(copy);
  std::string said;
  for (int i = 0; i < 100; ++i) said += copy->line(60s).value_or("") + "\n";
  EXPECT_EQ(copy->wait(30s), 0) << said;
  EXPECT_NE(said.find(fmt::format("copy them from {} to {}.", common.string(), alone.string())), std::string::npos)
      << said;
  const std::string next = fmt::format("trav cluster unseal {} --key {}", alone.string(), cluster_key().string());
  EXPECT_NE(said.find(next), std::string::npos) << said;
  for (const char* name : {"keys", "secrets", "packages", "blobs"}) {
    if (!std::filesystem::exists(common / name)) continue;
    std::filesystem::copy(common / name, alone / name, std::filesystem::copy_options::recursive);
  }
  std::ofstream(configuration(2)) << "shards = 4\n[egress]\nallow_private_network = true\n";
  const std::vector<std::string> arguments = {"--config", configuration(2).string(), "--data", alone.string(), "--port",
                                              "0"};
  const api::Ended ended = api::run_daemon(scratch_[2], arguments);
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("keys/audit.pem is sealed under the key of a cluster"), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find("trav cluster unseal"), std::string::npos) << ended.err;

  ASSERT_EQ(trav({"cluster", "unseal", alone.string(), "--key", cluster_key().string()}), 0);
  start(2);
  EXPECT_EQ(insist(2, token, "GET", "/v1/tenants/acme/audit/key").body, trail);
  EXPECT_EQ(run(2, "acme", token, "once").status, 200) << "the same key starts nothing";
  EXPECT_EQ(run(2, "acme", token, "twice").status, 201);
  EXPECT_EQ(insist(2, token, "PUT", "/v1/tenants/acme/connections/other", connection).status / 100, 2);
  EXPECT_EQ(daemons_[2]->stop(), 0);
  // The shared folder is as it was.
  EXPECT_TRUE(api::contents_of(common / "keys/audit.pem").starts_with("TRVS"));
}

}  // namespace
}  // namespace trv::kafka
