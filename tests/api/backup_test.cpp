// Backups of a data folder that travd writes to, and what a travd makes of what is restored.

#include <signal.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <mutex>
#include <random>
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
    [[nodiscard]] std::string text(std::string_view member) const {
      const json::value value = json::parse(line);
      return std::string(value.at(member).as_string());
    }
  };
  static Said run_program(const std::filesystem::path& program, const std::vector<std::string>& arguments) {
    auto child = processes::ChildProcess::start(program, arguments);
    if (!child) return {};
    Said said;
    said.line = child->line(60s).value_or("");
    said.code = child->wait(60s).value_or(-1);
    return said;
  }
  static std::filesystem::path trav_program() { return std::filesystem::path(TRV_BINARY_DIR) / "bin/trav"; }
  static Said trav(const std::vector<std::string>& arguments) { return run_program(trav_program(), arguments); }
  [[nodiscard]] std::string target() const { return (scratch_.path() / "target").string(); }
  [[nodiscard]] std::vector<std::string> create_arguments() const {
    return {"backup", "create", target(), "--data", daemon_->data().string(), "--output", "json"};
  }
  [[nodiscard]] Said back_up() const { return trav(create_arguments()); }
  [[nodiscard]] Said restore(const std::filesystem::path& to, const std::vector<std::string>& until = {}) const {
    std::vector<std::string> arguments = {"backup", "restore", target(), "--to", to.string(), "--output", "json"};
    arguments.insert(arguments.end(), until.begin(), until.end());
    return trav(arguments);
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
  std::vector<std::string> until;
  for (int i = 0; i < backups; ++i) {
    std::this_thread::sleep_for(300ms);
    {
      const std::scoped_lock lock(mutex);
      wanted.push_back(acknowledged);
    }
    const Said said = back_up();
    EXPECT_EQ(said.code, 0);
    until.push_back(said.text("until"));
  }
  stopping = true;
  for (std::thread* thread : {&hellos, &patients, &secrets}) thread->join();
  EXPECT_EQ(trav({"backup", "verify", target()}).code, 0);

  for (int i = 0; i < backups; ++i) {
    const ScratchFolder elsewhere;
    EXPECT_EQ(restore(elsewhere.path() / "data", {"--until-time", until[static_cast<std::size_t>(i)]}).code, 0);
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

TEST_F(BackupTest, that_is_killed_at_any_moment_leaves_the_target_whole_and_the_next_one_goes_on) {
  std::mt19937 random(4711);  // NOLINT(bugprone-random-generator-seed,cert-msc51-cpp): the same moments each time
  std::uint64_t segments = 0;
  int killed = 0;
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(run("hello").status, 201);
    auto child = processes::ChildProcess::start(trav_program(), create_arguments());
    ASSERT_TRUE(child);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 60'000));
    child->signal(SIGKILL);
    if (child->wait(60s) == 128 + SIGKILL) ++killed;
    const Said verified = trav({"backup", "verify", target(), "--output", "json"});
    if (verified.code == 0) {
      const auto now = json::parse(verified.line).at("segments").to_number<std::uint64_t>();
      EXPECT_GE(now, segments);
      segments = now;
    } else {
      EXPECT_EQ(segments, 0U) << "a segment that was there is gone";
    }
  }
  EXPECT_GT(killed, 10);
  EXPECT_EQ(back_up().code, 0);
  EXPECT_EQ(trav({"backup", "verify", target()}).code, 0);
  EXPECT_EQ(restore(scratch_.path() / "restored").code, 0);
  EXPECT_NE(restore(std::filesystem::path(target()) / "restored").code, 0) << "into the backup";
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(target()) / "restored"));
}

TEST_F(BackupTest, that_finds_no_room_leaves_the_target_whole_and_the_next_one_goes_on) {
  std::ofstream(daemon_->data() / "large") << std::string(200'000, 'x');
  int failed = 0;
  for (int kib = 0; kib < 260; kib += 13) {
    ASSERT_EQ(run("hello").status, 201);
    std::string line = "ulimit -f " + std::to_string(2 * kib) + "; exec";  // in blocks of 512 bytes
    line += " '" + trav_program().string() + "'";
    for (const std::string& argument : create_arguments()) line += " '" + argument + "'";
    if (run_program("/bin/sh", {"-c", line}).code != 0) ++failed;
    EXPECT_NE(trav({"backup", "verify", target()}).code, 4) << kib;
  }
  EXPECT_GT(failed, 5);
  EXPECT_EQ(back_up().code, 0);
  EXPECT_EQ(trav({"backup", "verify", target()}).code, 0);
  EXPECT_EQ(restore(scratch_.path() / "restored").code, 0);
}

TEST_F(BackupTest, what_a_killed_restore_leaves_is_not_started_on) {
  // Enough to be killed in the middle of it.
  std::filesystem::create_directories(daemon_->data() / "zz");
  for (int i = 0; i < 2000; ++i) std::ofstream(daemon_->data() / "zz" / std::to_string(i)) << "x" << i;
  ASSERT_EQ(back_up().code, 0);
  const auto to = scratch_.path() / "restored";
  auto child = processes::ChildProcess::start(trav_program(), {"backup", "restore", target(), "--to", to.string()});
  ASSERT_TRUE(child);
  for (int i = 0; i < 60'000 && !std::filesystem::exists(to / "zz"); ++i) std::this_thread::sleep_for(1ms);
  child->signal(SIGKILL);
  EXPECT_EQ(child->wait(60s), 128 + SIGKILL);
  const Ended ended = run_daemon(scratch_, {"--data", to.string(), "--port", "0"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("was not finished"), std::string::npos) << ended.err;
  EXPECT_EQ(restore(to).code, 1) << "the folder is not empty";
  std::filesystem::remove_all(to);
  EXPECT_EQ(restore(to).code, 0);
}

TEST_F(BackupTest, drills_under_load_bring_back_the_state_that_was_live) {
  std::atomic<bool> stopping = false;
  std::thread load([&] {
    for (int i = 0; !stopping && i < 100'000; ++i) EXPECT_EQ(run(i % 2 == 0 ? "hello" : "patient").status, 201);
  });
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(200ms);
    const Said said = trav({"backup", "drill", target(), "--data", daemon_->data().string(), "--scratch",
                            scratch_.path().string(), "--output", "json"});
    EXPECT_EQ(said.code, 0) << said.line;
    const json::value report = json::parse(said.line);
    EXPECT_TRUE(report.at("good").as_bool()) << said.line;
    EXPECT_GT(report.at("recovery_time_seconds").to_number<double>(), 0.0);
  }
  stopping = true;
  load.join();
  for (const auto& one : std::filesystem::directory_iterator(scratch_.path())) {
    EXPECT_FALSE(one.path().filename().string().starts_with(".backup-drill")) << "the scratch folder is removed";
  }
}

/// The value of a metric without labels; -1 where it is not there.
double metric(const Daemon& daemon, const std::string& name) {
  const std::string text = ask(daemon, "", "GET", "/metrics").body;
  const std::size_t found = text.find("\n" + name + " ");
  return found == std::string::npos ? -1 : std::stod(text.substr(found + name.size() + 2));
}

TEST_F(BackupTest, of_the_schedule_bring_back_every_event_and_the_secret_of_its_time) {
  EXPECT_EQ(daemon_->stop(), 0);
  daemon_.reset();
  auto started = Daemon::start(
      scratch_, {}, {.variables = {{"TRAV_BACKUP_TARGET", target()}, {"TRAV_BACKUP_INTERVAL_SECONDS", "1"}}});
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  std::atomic<bool> stopping = false;
  std::thread load([&] {
    for (int i = 0; !stopping && i < 100'000; ++i) {
      EXPECT_EQ(run("hello").status, 201);
      EXPECT_EQ(set_secret("secret " + std::to_string(i)), 200);
    }
  });
  std::this_thread::sleep_for(3s);
  EXPECT_TRUE(eventually([&] { return metric(*daemon_, "travertine_backup_segments_total") >= 3; }));
  stopping = true;
  load.join();
  const double before = metric(*daemon_, "travertine_backups_total");
  EXPECT_TRUE(eventually([&] { return metric(*daemon_, "travertine_backups_total") >= before + 2; }));
  EXPECT_EQ(metric(*daemon_, "travertine_backup_failures_total"), 0);
  EXPECT_LT(metric(*daemon_, "travertine_backup_age_seconds"), 10);
  EXPECT_GT(metric(*daemon_, "travertine_backup_last_success_timestamp_seconds"), 1.0e9);
  const json::array segments = json::parse(trav({"backup", "list", target(), "--output", "json"}).line).as_array();
  EXPECT_EQ(daemon_->stop(), 0);
  EXPECT_EQ(trav({"backup", "verify", target()}).code, 0);

  std::mt19937 random(17);  // NOLINT(bugprone-random-generator-seed,cert-msc51-cpp): the same moments each time
  const json::array& shards = segments.back().at("shards").as_array();
  for (int i = 0; i < 6; ++i) {
    const auto& shard = shards[random() % shards.size()];
    const auto last = shard.at("last").to_number<std::uint64_t>();
    if (last == 0) continue;
    const std::string lsn =
        std::to_string(shard.at("shard").to_number<std::uint64_t>()) + ":" + std::to_string(1 + random() % last);
    const ScratchFolder elsewhere;
    EXPECT_EQ(restore(elsewhere.path() / "data", {"--until-lsn", lsn}).code, 0) << lsn;
    // travd refuses a folder that lacks a secret which its state names.
    const auto restored = Daemon::start(elsewhere);
    ASSERT_TRUE(restored) << lsn << ": " << restored.error().message();
    EXPECT_EQ((*restored)->stop(), 0);
  }
}

TEST_F(BackupTest, of_the_schedule_that_fail_are_reported_and_stop_nothing) {
  EXPECT_EQ(daemon_->stop(), 0);
  daemon_.reset();
  std::ofstream(target()) << "not a folder";
  auto started = Daemon::start(
      scratch_, {}, {.variables = {{"TRAV_BACKUP_TARGET", target()}, {"TRAV_BACKUP_INTERVAL_SECONDS", "1"}}});
  ASSERT_TRUE(started) << started.error().message();
  daemon_ = *std::move(started);
  EXPECT_TRUE(eventually([&] { return metric(*daemon_, "travertine_backup_failures_total") >= 2; }));
  EXPECT_EQ(run("hello").status, 201);
  std::filesystem::remove(target());
  EXPECT_TRUE(eventually([&] { return metric(*daemon_, "travertine_backups_total") >= 1; }));
  EXPECT_EQ(daemon_->stop(), 0);
  EXPECT_EQ(trav({"backup", "verify", target()}).code, 0);
  daemon_.reset();
  const Ended ended = run_daemon(scratch_, {"--data", (scratch_.path() / "data").string(), "--port", "0"},
                                 {{"TRAV_BACKUP_TARGET", (scratch_.path() / "data/backups").string()}});
  EXPECT_EQ(ended.code, 2);
  EXPECT_NE(ended.err.find("backup.target"), std::string::npos) << ended.err;
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
