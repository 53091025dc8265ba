// Packages are installed by records: whatever ends the daemon in between, a package ends loaded or refused.

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <thread>

#include "tests/support/api/api_fixture.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;

class InstallTest : public testing::Test {
 protected:
  void start(const std::string& isolation = "best-effort") {
    auto started = Daemon::start(scratch_, {}, {.variables = {{"TRAV_PLUGINS_ISOLATION", isolation}}});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    if (!daemon_->operator_token().empty()) token_ = daemon_->operator_token();
  }
  void kill() {
    ASSERT_EQ(::kill(daemon_->id(), SIGKILL), 0);
    for (int i = 0; i < 12'000 && daemon_->running(); ++i) std::this_thread::sleep_for(5ms);
    ASSERT_FALSE(daemon_->running());
  }
  void start_again() {
    daemon_.reset();
    start();
  }
  /// The daemon may be killed meanwhile: then the status is 0.
  Answer call(const std::string& method, const std::string& path, std::string body = {}, Headers headers = {}) {
    headers.emplace_back("Authorization", "Bearer " + token_);
    processes::HttpClient client;
    const auto answer = client.send({.method = method,
                                     .url = daemon_->url() + path,
                                     .headers = std::move(headers),
                                     .body = std::move(body),
                                     .timeout = 60s});
    return answer ? Answer{.status = answer->status, .body = answer->body} : Answer{};
  }
  Answer install(const base::Bytes& package, const std::string& wait = "30") {
    return call("POST", "/v1/plugins", std::string(package.begin(), package.end()),
                {{"Content-Type", "application/octet-stream"}, {"Prefer", "wait=" + wait}});
  }
  /// With Prefer, the answer waits for the outcome of a pending package.
  Answer outcome() { return call("GET", "/v1/plugins/tracker/1.2.3", {}, {{"Prefer", "wait=30"}}); }
  std::vector<std::string> plugin_events() {
    const json::value page = call("GET", "/v1/tenants/system/events?limit=500").value();
    std::vector<std::string> types;
    for (const json::value& event : page.at("items").as_array()) {
      const std::string type(event.at("type").as_string());
      if (type.starts_with("trv.plugin.")) types.push_back(type.substr(std::string("trv.plugin.").size()));
    }
    return types;
  }
  std::set<std::string> archives() {
    std::set<std::string> digests;
    for (const auto& file : std::filesystem::recursive_directory_iterator(daemon_->data() / "packages")) {
      if (file.is_regular_file())
        digests.insert(file.path().parent_path().filename().string() + file.path().filename().string());
    }
    return digests;
  }
  std::size_t libraries() {
    const std::filesystem::directory_iterator folders(daemon_->data() / "plugins");
    return static_cast<std::size_t>(std::distance(begin(folders), end(folders)));
  }

  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
  std::string token_;
};

TEST_F(InstallTest, a_refused_package_is_recorded_with_its_reason_and_leaves_no_file) {
  start();
  const Answer refused = install(tracker_package("crashes"));
  EXPECT_EQ(refused.status, 400) << refused.body;
  EXPECT_NE(refused.text("detail").find("does not start: it crashed (Aborted)"), std::string::npos) << refused.body;
  EXPECT_EQ(plugin_events(), (std::vector<std::string>{"requested", "refused"}));
  const Answer shown = call("GET", "/v1/plugins/tracker/1.2.3");
  EXPECT_EQ(shown.status, 200);
  EXPECT_EQ(shown.text("status"), "refused");
  EXPECT_EQ(shown.text("reason"), refused.text("detail"));
  EXPECT_TRUE(call("GET", "/v1/plugins").value().at("items").as_array().empty());
  EXPECT_TRUE(archives().empty());
  EXPECT_EQ(libraries(), 0U);
  // The version never was anything else: it can be sent again, with other content.
  EXPECT_EQ(install(tracker_package("good")).status, 201);
  EXPECT_EQ(call("GET", "/v1/plugins/tracker/1.2.3").text("status"), "loaded");
}

TEST_F(InstallTest, an_answer_that_takes_long_is_202_and_the_address_has_the_outcome) {
  start();
  const base::Bytes package = tracker_package("hangs");
  const Answer first = install(package, "0");
  EXPECT_EQ(first.status, 202) << first.body;
  EXPECT_EQ(first.text("status"), "pending");
  EXPECT_EQ(install(package, "1").status, 202) << "the same package again waits for the same outcome";
  const Answer other = install(tracker_package("good"));
  EXPECT_EQ(other.status, 409) << other.body;
  EXPECT_EQ(call("GET", "/v1/plugins/tracker/1.2.3").text("status"), "pending");
  EXPECT_EQ(call("GET", "/v1/plugins").value().at("items").as_array().size(), 1U);
  EXPECT_EQ(plugin_events(), std::vector<std::string>{"requested"});
  const Answer settled = outcome();
  EXPECT_EQ(settled.text("status"), "refused") << settled.body;
  EXPECT_NE(settled.text("reason").find("it hangs"), std::string::npos) << settled.body;
  EXPECT_TRUE(archives().empty());
}

TEST_F(InstallTest, a_daemon_that_is_killed_during_the_trial_tries_again) {
  start();
  EXPECT_EQ(install(tracker_package("hangs"), "0").status, 202);
  kill();
  start_again();
  EXPECT_EQ(call("GET", "/v1/plugins/tracker/1.2.3").text("status"), "pending");
  EXPECT_EQ(outcome().text("status"), "refused");
  EXPECT_EQ(plugin_events(), (std::vector<std::string>{"requested", "refused"}));
  EXPECT_TRUE(archives().empty());
  EXPECT_EQ(install(tracker_package("good")).status, 201);
}

TEST_F(InstallTest, sigterm_does_not_wait_for_a_trial) {
  start();
  Answer waiting;
  std::thread request([&] { waiting = install(tracker_package("hangs")); });
  EXPECT_TRUE(eventually([&] { return call("GET", "/v1/plugins/tracker/1.2.3").status == 200; }));
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(daemon_->stop(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 10s) << "the trial has 20 seconds";
  request.join();
  EXPECT_EQ(waiting.status, 202) << waiting.body;
}

// Whenever the daemon is killed, the next one finds no request, or one that it settles; and no file without a record.
TEST_F(InstallTest, a_daemon_killed_at_any_step_ends_with_a_package_that_is_loaded_or_refused_and_with_no_other_file) {
  start();
  const base::Bytes package = tracker_package("good");
  constexpr int kills_max = 14;
  std::size_t settled = 0;
  for (int kills = 0; kills < kills_max; ++kills) {
    std::thread request([&] { (void)install(package); });
    // From before the archive is stored to after the library is loaded.
    std::this_thread::sleep_for(std::chrono::microseconds(1500 * kills * (kills + 1) / 2));
    // However slow the machine is, the last kill comes after the record.
    if (kills == kills_max - 1) {
      EXPECT_TRUE(eventually([&] { return call("GET", "/v1/plugins/tracker/1.2.3").status == 200; }));
    }
    kill();
    request.join();
    start_again();
    Answer found = outcome();
    ASSERT_TRUE(found.status == 200 || found.status == 404) << found.body;
    const std::string status = found.status == 404 ? "" : found.text("status");
    if (status == "refused") {
      EXPECT_NE(found.text("reason").find("the process ended"), std::string::npos) << found.body;
    } else if (!status.empty()) {
      EXPECT_EQ(status, "loaded") << found.body;
    }
    const bool is_loaded = status == "loaded";
    EXPECT_TRUE(eventually([&] { return archives().size() == (is_loaded ? 1U : 0U); })) << status;
    EXPECT_EQ(libraries(), is_loaded ? 1U : 0U) << status;
    settled += status.empty() ? 0 : 1;
    if (is_loaded && kills < 10) {
      // Begin anew, on a new folder.
      daemon_.reset();
      std::filesystem::remove_all(scratch_.path() / "data");
      start();
    }
  }
  EXPECT_GT(settled, 0U) << "no kill came after the record";
  EXPECT_LT(install(package).status, 300);
  EXPECT_EQ(call("GET", "/v1/plugins/tracker/1.2.3").text("status"), "loaded");
}

TEST_F(InstallTest, a_library_that_ends_the_daemon_is_refused_at_the_next_start) {
  start("off");
  EXPECT_EQ(install(tracker_package("crashes_later")).status, 0) << "it ends the daemon, not only the trial";
  EXPECT_TRUE(eventually([&] { return !daemon_->running(); }));
  start_again();
  const Answer settled = outcome();
  EXPECT_EQ(settled.text("status"), "refused") << settled.body;
  EXPECT_NE(settled.text("reason").find("the process ended while it loaded the library"), std::string::npos)
      << settled.body;
  EXPECT_TRUE(eventually([&] { return archives().empty(); }));
  EXPECT_EQ(install(tracker_package("good")).status, 201);
}

TEST_F(InstallTest, a_package_whose_archive_is_lost_is_shown_as_failed_and_comes_back_when_it_is_sent_again) {
  start();
  const base::Bytes package = tracker_package("good");
  ASSERT_EQ(install(package).status, 201);
  const std::string digest = *archives().begin();
  EXPECT_EQ(daemon_->stop(), 0);
  std::filesystem::remove(daemon_->data() / "packages" / digest.substr(0, 2) / digest.substr(2));
  start_again();
  const Answer failed = call("GET", "/v1/plugins/tracker/1.2.3");
  EXPECT_EQ(failed.text("status"), "failed") << failed.body;
  EXPECT_NE(failed.text("reason").find("is missing; install it again"), std::string::npos) << failed.body;
  EXPECT_NE(daemon_->output().find("tracker 1.2.3 did not load") + daemon_->complaints().find("tracker 1.2.3 did not"),
            2 * std::string::npos);
  EXPECT_EQ(install(package).status, 201);
  EXPECT_EQ(call("GET", "/v1/plugins/tracker/1.2.3").text("status"), "loaded");
  EXPECT_EQ(plugin_events(), (std::vector<std::string>{"requested", "loaded", "requested", "loaded"}));
}

TEST_F(InstallTest, many_requests_with_one_package_make_one_request_and_one_outcome) {
  start();
  const base::Bytes package = tracker_package("good");
  std::vector<Answer> answers(8);
  std::vector<std::thread> requests;
  for (Answer& answer : answers) requests.emplace_back([&] { answer = install(package); });
  for (std::thread& request : requests) request.join();
  EXPECT_EQ(std::ranges::count(answers, 201, &Answer::status), 1);
  EXPECT_EQ(std::ranges::count(answers, 200, &Answer::status), 7);
  EXPECT_EQ(plugin_events(), (std::vector<std::string>{"requested", "loaded"}));
  EXPECT_EQ(archives().size(), 1U);
}

}  // namespace
}  // namespace trv::api
