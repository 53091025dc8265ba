// A disk that is slow, or does not answer for a while: writes wait, all else goes on, and what was acknowledged is
// there.

#include <signal.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;

class SlowDisk : public testing::Test {
 protected:
  void start() {
    auto started = Daemon::start(scratch_, {},
                                 {.variables = {{"LD_PRELOAD", TRV_SLOW_DISK_LIBRARY}, {"SLOW_DISK", slow_.string()}}});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
  }
  /// From now on each write to the disk takes so many milliseconds more, or until the disk is right again.
  void make_slow(int milliseconds) {
    const std::filesystem::path written = slow_.string() + ".new";
    std::ofstream(written) << milliseconds;
    std::filesystem::rename(written, slow_);
  }
  void make_right() { std::filesystem::remove(slow_); }

  /// Waits for the answer as long as it takes. Remembers what was acknowledged.
  long send(int number) {
    processes::HttpClient client;
    const auto answer = client.send(
        {.method = "POST",
         .url = daemon_->url() + "/v1/tenants/acme/events",
         .headers = {{"Authorization", "Bearer " + owner_}, {"Content-Type", "application/cloudevents+json"}},
         .body = R"({"specversion":"1.0","source":"/s","type":"com.example.x","id":")" + std::to_string(number) + "\"}",
         .timeout = 60s});
    if (!answer) return 0;
    const std::scoped_lock lock(mutex_);
    if (answer->status == 202) {
      acknowledged_[number] = json::parse(answer->body).at("received").at(0).as_string();
    } else {
      EXPECT_TRUE((answer->status == 503 || answer->status == 429) && answer->retry_after_s > 0) << answer->body;
    }
    return answer->status;
  }
  void expect_reads_to_go_on() {
    EXPECT_EQ(ask(*daemon_, "", "GET", "/livez").status, 200);
    EXPECT_EQ(ask(*daemon_, owner_, "GET", "/v1/tenants/acme/events?limit=5").status, 200);
    EXPECT_EQ(ask(*daemon_, owner_, "GET", "/v1/tenants/acme/instances").status, 200);
  }
  /// Each acknowledged event is listed, once.
  void expect_acknowledged_to_be_there() {
    std::map<std::string, int> listed;
    std::string cursor;
    do {
      const Answer answer = ask(*daemon_, owner_, "GET", "/v1/tenants/acme/events?limit=500" + cursor);
      ASSERT_EQ(answer.status, 200) << answer.body;
      const json::value page = answer.value();
      for (const json::value& event : page.at("items").as_array()) ++listed[std::string(event.at("id").as_string())];
      cursor = page.at("next_cursor").is_string() ? "&cursor=" + std::string(page.at("next_cursor").as_string()) : "";
    } while (!cursor.empty());
    for (const auto& [number, id] : acknowledged_) EXPECT_EQ(listed[id], 1) << "event " << number;
  }

  ScratchFolder scratch_;
  std::filesystem::path slow_ = scratch_.path() / "slow";
  std::unique_ptr<Daemon> daemon_;
  std::string owner_;
  std::mutex mutex_;
  std::map<int, std::string> acknowledged_;
};

TEST_F(SlowDisk, makes_writes_wait_and_nothing_else_and_loses_nothing) {
  start();
  owner_ = create_tenant(*daemon_, "acme");
  ASSERT_EQ(send(0), 202);

  // It does not answer at all.
  make_slow(60'000);
  std::vector<std::future<long>> waiting;
  for (int i = 1; i <= 20; ++i) waiting.push_back(std::async(std::launch::async, [this, i] { return send(i); }));
  expect_reads_to_go_on();
  EXPECT_EQ(acknowledged_.size(), 1U) << "acknowledged before it was on the disk";
  make_right();
  for (auto& one : waiting) EXPECT_EQ(one.get(), 202);

  // It takes a tenth of a second for everything.
  make_slow(100);
  std::atomic<int> number = 100;
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      for (int sent = 0; sent < 10; ++sent) send(++number);
    });
  }
  expect_reads_to_go_on();
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(acknowledged_.size(), 101U);
  make_right();
  EXPECT_EQ(send(1000), 202);

  ASSERT_EQ(::kill(daemon_->id(), SIGKILL), 0);
  daemon_.reset();
  start();
  EXPECT_EQ(ask(*daemon_, "", "GET", "/readyz").status, 200);
  expect_acknowledged_to_be_there();
}

}  // namespace
}  // namespace trv::api
