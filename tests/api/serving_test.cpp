// What travd answers while it starts, and while a request waits for something slow.

#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <set>
#include <sstream>
#include <thread>

#include "sdk/base/digest.hpp"
#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

class ServingTest : public ApiTest {};

TEST_F(ServingTest, a_slow_request_delays_no_other_though_there_is_one_http_thread) {
  const base::Bytes package = tracker_package("hangs");
  std::atomic<bool> is_done = false;
  std::thread slow([&] {
    processes::HttpClient client;
    const auto answer = client.send({.method = "POST",
                                     .url = daemon().url() + "/v1/plugins",
                                     .headers = {{"Authorization", "Bearer " + daemon().operator_token()},
                                                 {"Content-Type", "application/octet-stream"}},
                                     .body = std::string(package.begin(), package.end()),
                                     .timeout = 60s});
    EXPECT_TRUE(answer && answer->status == 400) << (answer ? answer->body : answer.error().message());
    is_done = true;
  });
  std::this_thread::sleep_for(300ms);  // so that the trial of the library has begun
  int answered = 0;
  for (; !is_done && answered < 20; ++answered) EXPECT_EQ(call("", "GET", "/livez").status, 200);
  EXPECT_EQ(answered, 20) << "they waited for the slow request";
  slow.join();
}

/// A data folder whose replay takes a while: many records of tenant acme, and no projection.
class ReplayTest : public testing::Test {
 protected:
  void make(int shards) {
    shards_.variables["TRAV_SHARDS"] = std::to_string(shards);
    auto started = Daemon::start(scratch_, {}, shards_);
    ASSERT_TRUE(started) << started.error().message();
    operator_ = (*started)->operator_token();
    acme_ = create_tenant(**started, "acme");
    beta_ = create_tenant(**started, "beta");
    const std::string workflow =
        "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: count\n  version: '1.0.0'\n"
        "do:\n  - all:\n      for: {in: '${ [range(1000)] }'}\n      do:\n        - one:\n            set:\n"
        "              kept: true\n";
    ASSERT_EQ(
        ask(**started, acme_, "POST", "/v1/tenants/acme/workflows", workflow, {{"Content-Type", "application/yaml"}})
            .status,
        201);
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(ask(**started, acme_, "POST", "/v1/tenants/acme/workflows/demo/count/instances", "{}").status, 201);
    }
    const auto running = "/v1/tenants/acme/instances?status=running&limit=1";
    for (int i = 0; i < 600; ++i) {
      if (ask(**started, acme_, "GET", running).value().at("items").as_array().empty()) break;
      std::this_thread::sleep_for(50ms);
    }
    ASSERT_EQ((*started)->stop(), 0);
    std::filesystem::remove_all((*started)->data() / "projection" / (shards == 1 ? "0" : "1"));
  }
  std::unique_ptr<Daemon> launch() {
    auto launched = Daemon::launch(scratch_, shards_);
    EXPECT_TRUE(launched) << launched.error().message();
    return launched ? *std::move(launched) : nullptr;
  }

  ScratchFolder scratch_;
  Surroundings shards_;
  std::string operator_;
  std::string acme_;  ///< in shard 1, where there is one
  std::string beta_;  ///< in shard 2, where there is one
};

TEST_F(ReplayTest, is_answered_for_from_its_first_moments) {
  make(1);
  const auto starting = launch();
  ASSERT_NE(starting, nullptr);
  const Daemon& daemon = *starting;
  EXPECT_EQ(ask(daemon, "", "GET", "/livez").status, 200);
  const Answer early = ask(daemon, "", "GET", "/readyz");
  const Answer other = ask(daemon, "", "GET", "/v1/version");
  EXPECT_EQ(daemon.output().find("is ready"), std::string::npos) << "the replay was too short to see anything";
  EXPECT_EQ(early.status, 503) << early.body;
  EXPECT_NE(early.text("reason").find("shard "), std::string::npos) << early.body;
  EXPECT_EQ(other.status, 503) << other.body;
  bool said_how_far = false;
  for (int i = 0; i < 30'000 && daemon.output().find("is ready") == std::string::npos; ++i) {
    const Answer answer = ask(daemon, "", "GET", "/readyz");
    // What says that it is ready serves.
    if (answer.status == 200) {
      ASSERT_EQ(ask(daemon, "", "GET", "/openapi.json").status, 200);
    }
    said_how_far = said_how_far || answer.text("reason").find("records are applied") != std::string::npos;
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_TRUE(said_how_far);
  EXPECT_EQ(ask(daemon, "", "GET", "/readyz").status, 200);
}

/// The names that follow `before` in the lines of a text.
std::set<std::string> names_behind(const std::string& text, const std::string& before) {
  std::set<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(before))
      names.insert(line.substr(before.size(), line.find_first_of(" `", before.size()) - before.size()));
  }
  return names;
}

TEST_F(ServingTest, every_metric_is_documented_and_every_documented_one_served) {
  const std::string served = ask(daemon(), "", "GET", "/metrics").body;
  std::set<std::string> documented =
      names_behind(contents_of(std::filesystem::path(TRV_SOURCE_DIR) / "docs/guides/watching.md"), "| `travertine_");
  EXPECT_GT(documented.size(), 20U);
  // Those of plugins come with the first call of one, and others where they are configured.
  std::erase_if(documented, [](const std::string& name) {
    return name.starts_with("plugin_") || name.starts_with("backup") || name.starts_with("restore_drill") ||
           name.starts_with("certificate_") || name.starts_with("telemetry_");
  });
  EXPECT_EQ(names_behind(served, "# TYPE travertine_"), documented);
}

TEST_F(ReplayTest, a_tenant_is_served_while_the_shard_of_another_one_is_replayed) {
  make(4);
  const auto starting = launch();
  ASSERT_NE(starting, nullptr);
  const Daemon& daemon = *starting;
  const auto of_acme = [&] { return ask(daemon, acme_, "GET", "/v1/tenants/acme/instances?limit=1"); };
  const auto of_beta = [&] { return ask(daemon, beta_, "GET", "/v1/tenants/beta/instances?limit=1"); };
  for (int i = 0; i < 60'000 && of_beta().status != 200; ++i) std::this_thread::sleep_for(1ms);
  const std::string large = '"' + std::string(300'000, 'x') + '"';
  const Answer sent = ask(daemon, beta_, "POST", "/v1/tenants/beta/events",
                          R"({"specversion":"1.0","id":"1","source":"/s","type":"large","data":)" + large + "}",
                          {{"Content-Type", "application/cloudevents+json"}});
  const Answer directory = ask(daemon, operator_, "GET", "/v1/tenants/acme");
  const Answer created = ask(daemon, operator_, "POST", "/v1/tenants", R"({"id":"gamma"})");
  const Answer health = ask(daemon, "", "GET", "/readyz");
  const Answer metrics = ask(daemon, "", "GET", "/metrics");
  const Answer refused = of_acme();
  ASSERT_EQ(daemon.output().find("is ready"), std::string::npos) << "the replay was too short to see anything";
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_GE(refused.retry_after_s, 1);
  EXPECT_NE(refused.text("detail").find("shard 1 catches up: "), std::string::npos) << refused.body;
  EXPECT_NE(refused.text("detail").find(" records are applied"), std::string::npos) << refused.body;
  EXPECT_EQ(sent.status, 202) << sent.body;
  EXPECT_EQ(directory.status, 200) << directory.body;
  EXPECT_EQ(created.status, 201) << created.body;
  EXPECT_EQ(metrics.status, 200);
  EXPECT_EQ(health.status, 503) << health.body;
  const json::array shards = health.value().at("shards").as_array();
  ASSERT_EQ(shards.size(), 4U);
  for (const std::size_t ready : {0, 2, 3}) EXPECT_EQ(shards[ready].at("status"), "ok") << health.body;
  EXPECT_EQ(shards[1].at("status"), "not ready");
  EXPECT_EQ(shards[1].at("reason").as_string(), health.text("reason"));

  for (int i = 0; i < 12'000 && daemon.output().find("is ready") == std::string::npos; ++i) {
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(of_acme().status, 200);
  EXPECT_EQ(ask(daemon, "", "GET", "/readyz").status, 200);
  const std::string blob = base::to_hex(base::sha256(base::as_bytes(large)));
  EXPECT_TRUE(std::filesystem::exists(daemon.data() / "blobs" / blob.substr(0, 2) / blob.substr(2)))
      << "the sweep removed what was put before it";
}

TEST_F(ReplayTest, a_sigterm_ends_the_replay_of_one_shard_and_answers_the_others) {
  make(4);
  const auto starting = launch();
  ASSERT_NE(starting, nullptr);
  for (int i = 0; i < 60'000 && ask(*starting, beta_, "GET", "/v1/tenants/beta/members").status != 200; ++i) {
    std::this_thread::sleep_for(1ms);
  }
  ASSERT_EQ(starting->output().find("is ready"), std::string::npos) << "the replay was too short to see anything";
  const auto began = Steady::now();
  EXPECT_EQ(starting->stop(), 0);
  EXPECT_LT(Steady::now() - began, 5s);
  EXPECT_NE(starting->output().find("travd is stopping; it was not ready yet"), std::string::npos);
  const auto again = Daemon::start(scratch_, {}, shards_);
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(ask(**again, acme_, "GET", "/v1/tenants/acme/members").status, 200);
}

TEST_F(ReplayTest, ends_within_a_second_of_a_sigterm) {
  make(1);
  const auto starting = launch();
  ASSERT_NE(starting, nullptr);
  EXPECT_EQ(starting->output().find("is ready"), std::string::npos) << "the replay was too short to see anything";
  const auto began = Steady::now();
  EXPECT_EQ(starting->stop(), 0);
  EXPECT_LT(Steady::now() - began, 1s);
  const auto again = Daemon::start(scratch_, {}, shards_);
  EXPECT_TRUE(again) << again.error().message();
}

}  // namespace
}  // namespace trv::api
