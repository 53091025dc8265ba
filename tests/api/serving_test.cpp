// What travd answers while it starts, and while a request waits for something slow.

#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <thread>

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

/// A data folder whose replay takes a while: many records, and no projection.
class ReplayTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Daemon::start(scratch_);
    ASSERT_TRUE(started) << started.error().message();
    const std::string owner = create_tenant(**started, "acme");
    const std::string workflow =
        "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: count\n  version: '1.0.0'\n"
        "do:\n  - all:\n      for: {in: '${ [range(1000)] }'}\n      do:\n        - one:\n            set:\n"
        "              kept: true\n";
    ASSERT_EQ(
        ask(**started, owner, "POST", "/v1/tenants/acme/workflows", workflow, {{"Content-Type", "application/yaml"}})
            .status,
        201);
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(ask(**started, owner, "POST", "/v1/tenants/acme/workflows/demo/count/instances", "{}").status, 201);
    }
    const auto running = "/v1/tenants/acme/instances?status=running&limit=1";
    for (int i = 0; i < 600; ++i) {
      if (ask(**started, owner, "GET", running).value().at("items").as_array().empty()) break;
      std::this_thread::sleep_for(50ms);
    }
    ASSERT_EQ((*started)->stop(), 0);
    for (const auto& entry : std::filesystem::directory_iterator((*started)->data())) {
      if (entry.path().filename().string().starts_with("projection")) std::filesystem::remove_all(entry.path());
    }
  }

  ScratchFolder scratch_;
};

TEST_F(ReplayTest, is_answered_for_from_its_first_moments) {
  const auto starting = Daemon::launch(scratch_);
  ASSERT_TRUE(starting) << starting.error().message();
  const Daemon& daemon = **starting;
  EXPECT_EQ(ask(daemon, "", "GET", "/livez").status, 200);
  const Answer early = ask(daemon, "", "GET", "/readyz");
  const Answer other = ask(daemon, "", "GET", "/v1/version");
  EXPECT_EQ(daemon.output().find("is ready"), std::string::npos) << "the replay was too short to see anything";
  EXPECT_EQ(early.status, 503) << early.body;
  EXPECT_NE(early.text("reason").find("shard "), std::string::npos) << early.body;
  EXPECT_EQ(other.status, 503) << other.body;
  bool said_how_far = false;
  for (int i = 0; i < 5000 && daemon.output().find("is ready") == std::string::npos; ++i) {
    const Answer answer = ask(daemon, "", "GET", "/readyz");
    said_how_far = said_how_far || answer.text("reason").find("records are applied") != std::string::npos;
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_TRUE(said_how_far);
  EXPECT_EQ(ask(daemon, "", "GET", "/readyz").status, 200);
}

TEST_F(ReplayTest, ends_within_a_second_of_a_sigterm) {
  const auto starting = Daemon::launch(scratch_);
  ASSERT_TRUE(starting) << starting.error().message();
  EXPECT_EQ((*starting)->output().find("is ready"), std::string::npos) << "the replay was too short to see anything";
  const auto began = Steady::now();
  EXPECT_EQ((*starting)->stop(), 0);
  EXPECT_LT(Steady::now() - began, 1s);
  const auto again = Daemon::start(scratch_);
  EXPECT_TRUE(again) << again.error().message();
}

}  // namespace
}  // namespace trv::api
