// Backups of a data folder that travd writes to, and what a travd makes of a backup.

#include <signal.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <mutex>
#include <thread>

#include "tests/support/api/api_fixture.hpp"
#include "tests/support/processes/child_process.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view patient_workflow =
    "document:\n  dsl: '1.0.3'\n  namespace: demo\n  name: patient\n  version: '1.0.0'\n"
    "do:\n  - pause:\n      wait: {seconds: 2}\n  - done:\n      set:\n        done: true\n";

class BackupTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Daemon::start(scratch_);
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    owner_ = create_tenant(*daemon_, "acme");
    for (const std::string_view text : {hello_workflow, patient_workflow}) {
      ASSERT_EQ(ask(*daemon_, owner_, "POST", "/v1/tenants/acme/workflows", std::string(text),
                    {{"Content-Type", "application/yaml"}})
                    .status,
                201);
    }
    ASSERT_EQ(set_secret("first"), 200);
  }

  long set_secret(const std::string& secret) const {
    return ask(*daemon_, owner_, "PUT", "/v1/tenants/acme/connections/outside",
               R"({"base_url":"http://h","auth":{"scheme":"bearer"},"secret":")" + secret + "\"}")
        .status;
  }
  [[nodiscard]] Answer run(const std::string& name) const {
    return ask(*daemon_, owner_, "POST", "/v1/tenants/acme/workflows/demo/" + name + "/instances", "{}");
  }

  /// The exit code of trav and its first line.
  struct Said {
    int code = -1;
    std::string line;
  };
  static Said trav(const std::vector<std::string>& arguments) {
    auto child = processes::ChildProcess::start(std::filesystem::path(TRV_BINARY_DIR) / "bin/trav", arguments);
    if (!child) return {};
    Said said;
    said.line = child->line(30s).value_or("");
    said.code = child->wait(30s).value_or(-1);
    return said;
  }
  static Said back_up(const std::filesystem::path& data, const std::filesystem::path& to) {
    return trav({"backup", "create", "--data", data.string(), "--to", to.string(), "--output", "json"});
  }

  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
  std::string owner_;
};

TEST_F(BackupTest, of_a_folder_under_load_holds_all_that_was_acknowledged_and_goes_on) {
  std::mutex mutex;
  std::vector<std::string> acknowledged;
  std::atomic<bool> stopping = false;
  const auto write = [&](const std::string& name) {
    for (int i = 0; !stopping && i < 100'000; ++i) {
      const Answer answer = run(name);
      EXPECT_EQ(answer.status, 201) << answer.body;
      const std::scoped_lock lock(mutex);
      acknowledged.push_back(answer.text("id"));
    }
  };
  std::thread hellos(write, "hello");
  std::thread patients(write, "patient");
  std::thread secrets([&] {
    for (int i = 0; !stopping && i < 100'000; ++i) EXPECT_EQ(set_secret("secret " + std::to_string(i)), 200);
  });
  const int backups = 3;
  std::vector<std::vector<std::string>> wanted;
  for (int i = 0; i < backups; ++i) {
    std::this_thread::sleep_for(300ms);
    {
      const std::scoped_lock lock(mutex);
      wanted.push_back(acknowledged);
    }
    const Said said = back_up(daemon_->data(), scratch_.path() / ("copy" + std::to_string(i)));
    EXPECT_EQ(said.code, 0);
    EXPECT_TRUE(said.line.starts_with(R"({"folder":)")) << said.line;
  }
  stopping = true;
  for (std::thread* thread : {&hellos, &patients, &secrets}) thread->join();

  for (int i = 0; i < backups; ++i) {
    const auto copy = scratch_.path() / ("copy" + std::to_string(i));
    EXPECT_EQ(trav({"backup", "verify", copy.string()}).code, 0);
    const ScratchFolder elsewhere;
    std::filesystem::rename(copy, elsewhere.path() / "data");
    const auto restored = Daemon::start(elsewhere);
    ASSERT_TRUE(restored) << restored.error().message();
    ASSERT_FALSE(wanted[static_cast<std::size_t>(i)].empty());
    for (const std::string& id : wanted[static_cast<std::size_t>(i)]) {
      EXPECT_EQ(ask(**restored, owner_, "GET", "/v1/tenants/acme/instances/" + id).status, 200) << id;
    }
    // Runs that waited in the copy go on, and new ones start.
    const auto path = "/v1/tenants/acme/instances?status=running&limit=1";
    std::size_t running = 1;
    for (int tries = 0; running > 0 && tries < 200; ++tries) {
      running = ask(**restored, owner_, "GET", path).value().at("items").as_array().size();
      if (running > 0) std::this_thread::sleep_for(50ms);
    }
    EXPECT_EQ(running, 0U);
    EXPECT_EQ(ask(**restored, owner_, "POST", "/v1/tenants/acme/workflows/demo/hello/instances", "{}").status, 201);
    const auto trail = (elsewhere.path() / "trail").string();
    EXPECT_EQ(
        trav({"audit", "export", "--url", (*restored)->url(), "--token", owner_, "--tenant", "acme", "--output", trail})
            .code,
        0);
    EXPECT_EQ(trav({"audit", "verify", trail, "--key-file", trail + "/key.pub"}).code, 0);
    EXPECT_EQ((*restored)->stop(), 0);
  }
}

TEST_F(BackupTest, that_was_killed_is_not_started_on) {
  // Enough to be killed in the middle of it.
  std::filesystem::create_directories(daemon_->data() / "zz");
  for (int i = 0; i < 2000; ++i) std::ofstream(daemon_->data() / "zz" / std::to_string(i)) << "x";
  const auto to = scratch_.path() / "copy";
  auto child =
      processes::ChildProcess::start(std::filesystem::path(TRV_BINARY_DIR) / "bin/trav",
                                     {"backup", "create", "--data", daemon_->data().string(), "--to", to.string()});
  ASSERT_TRUE(child);
  for (int i = 0; i < 60'000 && !std::filesystem::exists(to / "zz"); ++i) std::this_thread::sleep_for(1ms);
  child->signal(SIGKILL);
  EXPECT_EQ(child->wait(60s), 128 + SIGKILL);
  EXPECT_EQ(trav({"backup", "verify", to.string()}).code, 4);
  const Ended ended = run_daemon(scratch_, {"--data", to.string(), "--port", "0"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("was not finished"), std::string::npos) << ended.err;
  EXPECT_EQ(back_up(daemon_->data(), to).code, 1) << "the folder is not empty";
}

TEST_F(BackupTest, without_its_secrets_or_their_key_is_not_started_on) {
  EXPECT_EQ(daemon_->stop(), 0);
  const auto refused = [&](std::string_view reason) {
    const Ended ended = run_daemon(scratch_, {"--data", daemon_->data().string(), "--port", "0"});
    EXPECT_EQ(ended.code, 2) << ended.out;
    EXPECT_NE(ended.err.find(reason), std::string::npos) << ended.err;
  };
  const auto secrets = daemon_->data() / "secrets";
  std::filesystem::rename(secrets, scratch_.path() / "secrets");
  for (int i = 0; i < 2; ++i) refused("master.key is missing");
  std::filesystem::remove_all(secrets);
  std::filesystem::rename(scratch_.path() / "secrets", secrets);
  std::filesystem::rename(secrets / "acme", scratch_.path() / "acme");
  for (int i = 0; i < 2; ++i) refused("1 secrets of connections are missing");
  std::filesystem::remove_all(secrets / "acme");
  std::filesystem::rename(scratch_.path() / "acme", secrets / "acme");
  EXPECT_TRUE(Daemon::start(scratch_));
}

}  // namespace
}  // namespace trv::api
