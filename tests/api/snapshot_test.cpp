// What travd makes of its snapshots, and of a log whose beginning was trimmed.

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

#include "events/log/lmdb_event_log.hpp"
#include "tests/support/api/api_fixture.hpp"
#include "tests/support/processes/child_process.hpp"

namespace trv::api {
namespace {

using namespace std::chrono_literals;

class SnapshotTest : public testing::Test {
 protected:
  void start(const std::string& every_records = "1") {
    auto started = Daemon::start(scratch_, {}, {.variables = {{"TRAV_SNAPSHOTS_RECORDS", every_records}}});
    ASSERT_TRUE(started) << started.error().message();
    daemon_ = *std::move(started);
    if (!owner_.empty()) return;
    owner_ = create_tenant(*daemon_, "acme");
    ASSERT_EQ(ask(*daemon_, owner_, "POST", "/v1/tenants/acme/workflows", std::string(hello_workflow),
                  {{"Content-Type", "application/yaml"}})
                  .status,
              201);
  }
  void kill() {
    ASSERT_EQ(::kill(daemon_->id(), SIGKILL), 0);
    daemon_.reset();
  }
  void run(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(ask(*daemon_, owner_, "POST", "/v1/tenants/acme/workflows/demo/hello/instances", "{}").status, 201);
    }
  }
  [[nodiscard]] Answer get(const std::string& path) const {
    return ask(*daemon_, owner_, "GET", "/v1/tenants/acme/" + path);
  }
  /// The values of a metric by shard.
  [[nodiscard]] std::map<std::string, std::uint64_t> metric(const std::string& name) const {
    std::map<std::string, std::uint64_t> values;
    std::istringstream lines(ask(*daemon_, "", "GET", "/metrics").body);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with(name + "{shard=")) continue;
      const std::size_t end = line.find('}');
      values[line.substr(name.size(), end - name.size())] = std::stoull(line.substr(end + 2));
    }
    return values;
  }
  /// Until a snapshot of every shard has all of its records.
  void wait_for_snapshots() {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (metric("travertine_snapshot_lsn") != metric("travertine_applied_lsn")) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << daemon_->complaints();
      std::this_thread::sleep_for(20ms);
    }
  }
  /// The files with the content of snapshots.
  [[nodiscard]] std::vector<std::filesystem::path> contents() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(data() / "snapshots"))
      if (entry.path().filename() == "data.mdb") files.push_back(entry.path());
    return files;
  }
  [[nodiscard]] std::filesystem::path data() const { return scratch_.path() / "data"; }
  /// What the state of the tenant shows; reading it changes nothing.
  [[nodiscard]] std::string state() const { return get("instances?limit=500").body + get("workflows").body; }
  /// Trims every shard as far as the last record; travd does not run.
  void trim() const {
    const auto log = log::LmdbEventLog::open(data() / "log");
    ASSERT_TRUE(log) << log.error().message();
    for (std::uint64_t shard = 0; shard < 4; ++shard) {
      const auto bounds = (*log)->bounds(log::ShardId(shard));
      ASSERT_TRUE(bounds && (*log)->trim(log::ShardId(shard), bounds->last));
    }
    ASSERT_GT((*log)->bounds(log::ShardId(0))->first, log::Lsn(1));
  }
  static int trav(const std::vector<std::string>& arguments) {
    auto child = processes::ChildProcess::start(std::filesystem::path(TRV_BINARY_DIR) / "bin/trav", arguments);
    return child ? child->wait(60s).value_or(-1) : -1;
  }

  ScratchFolder scratch_;
  std::unique_ptr<Daemon> daemon_;
  std::string owner_;
};

TEST_F(SnapshotTest, a_lost_projection_comes_back_from_a_snapshot_and_the_tail) {
  start();
  run(20);
  wait_for_snapshots();
  kill();
  start("1000000");
  run(5);
  const std::string before = state();
  kill();
  std::filesystem::remove_all(data() / "projection");
  start("1000000");
  EXPECT_EQ(state(), before);
  const std::regex line("\n  state    (shard [0-9]+ )?rebuilt from the snapshot at record [0-9]+: it was missing\n");
  EXPECT_TRUE(std::regex_search(daemon_->output(), line)) << daemon_->output();
  const auto gauges = metric("travertine_snapshot_bytes");
  EXPECT_FALSE(gauges.empty());
  EXPECT_EQ(metric("travertine_snapshot_age_seconds").size(), gauges.size());
  run(1);
}

TEST_F(SnapshotTest, damage_of_a_projection_that_is_in_use_ends_travd_and_the_next_start_mends_it) {
  start();
  run(20);
  wait_for_snapshots();
  const std::string before = state();
  const std::filesystem::path file = data() / "projection" / "0" / "data.mdb";
  const std::string zeros(std::filesystem::file_size(file) - 8192, '\0');
  {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(8192);
    stream << zeros;
  }
  // Whatever it is asked now; its own timers and effects find it, too.
  EXPECT_NE(get("instances?limit=500").status, 200);
  EXPECT_TRUE(eventually([&] { return !daemon_->running(); }));
  const std::string said = daemon_->complaints();
  EXPECT_NE(said.find("shard 0 is damaged"), std::string::npos) << said;
  daemon_.reset();
  start("1000000");
  EXPECT_EQ(state(), before);
  const std::regex line("\n  state    (shard 0 )?rebuilt from the snapshot at record [0-9]+: it was found damaged\n");
  EXPECT_TRUE(std::regex_search(daemon_->output(), line)) << daemon_->output();
  run(1);
}

TEST_F(SnapshotTest, a_disk_that_cannot_be_read_ends_travd_and_the_next_start_trusts_no_projection) {
  start();
  run(20);
  wait_for_snapshots();
  const std::string before = state();
  ASSERT_EQ(::kill(daemon_->id(), SIGBUS), 0);  // what the system says of a page that it cannot read
  EXPECT_TRUE(eventually([&] { return !daemon_->running(); }));
  daemon_.reset();
  start("1000000");
  EXPECT_EQ(state(), before);
  EXPECT_NE(daemon_->output().find("it was found damaged"), std::string::npos) << daemon_->output();
}

TEST_F(SnapshotTest, a_restart_of_the_machine_costs_a_tail_only) {
  start();
  run(10);
  wait_for_snapshots();
  const std::string before = state();
  kill();
  for (const auto& shard : std::filesystem::directory_iterator(data() / "projection")) {
    std::string stamp = contents_of(shard.path() / "stamp");
    const std::size_t at = stamp.find("boot ") + 5;
    stamp[at] = stamp[at] == '0' ? '1' : '0';
    std::ofstream(shard.path() / "stamp") << stamp;
  }
  start();
  EXPECT_EQ(state(), before);
  EXPECT_NE(daemon_->output().find("rebuilt from the snapshot at record "), std::string::npos) << daemon_->output();
  EXPECT_NE(daemon_->output().find("the machine went down while it was open"), std::string::npos) << daemon_->output();
}

TEST_F(SnapshotTest, a_changed_byte_is_found_and_named_and_the_start_goes_on) {
  start();
  run(10);
  wait_for_snapshots();
  const std::string before = state();
  kill();
  std::filesystem::remove_all(data() / "projection");
  for (const std::filesystem::path& file : contents()) {
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(std::filesystem::file_size(file) / 2));
    stream.put('#');
  }
  start("1000000");
  EXPECT_EQ(state(), before);
  const std::string said = daemon_->complaints();
  EXPECT_NE(said.find("the snapshot of shard 0 at lsn "), std::string::npos) << said;
  EXPECT_NE(said.find("is damaged: its bytes do not have the SHA-256 that its manifest names"), std::string::npos)
      << said;
}

TEST_F(SnapshotTest, on_a_trimmed_log_everything_says_what_is_gone) {
  start();
  run(30);
  wait_for_snapshots();
  const std::string before = state();
  const std::string last =
      get("events?limit=500").value().at("items").as_array().back().at("position").as_string().c_str();
  ASSERT_EQ(daemon_->stop(), 0);
  daemon_.reset();
  trim();

  start();
  EXPECT_EQ(state(), before);
  const Answer events = get("events?after=0");
  EXPECT_EQ(events.status, 404) << events.body;
  const std::string detail = events.text("detail");
  EXPECT_NE(detail.find("older events were removed from the log"), std::string::npos) << detail;
  const std::string left = detail.substr(detail.rfind(' ') + 1);
  EXPECT_EQ(get("events?after=" + left).status, 200) << left;
  EXPECT_EQ(get("events?after=" + last).status, 200);
  const Answer entries = get("audit/tile/entries/000.p/1");
  EXPECT_EQ(entries.status, 404) << entries.body;
  EXPECT_NE(entries.text("detail").find("was trimmed"), std::string::npos) << entries.body;
  EXPECT_EQ(get("audit/checkpoint").status, 200);
  run(5);
  wait_for_snapshots();
  const std::string after = state();

  const std::filesystem::path copy = scratch_.path() / "copy";
  const std::string target = (scratch_.path() / "target").string();
  EXPECT_EQ(trav({"backup", "create", target, "--data", data().string()}), 0);
  EXPECT_EQ(trav({"backup", "verify", target}), 0);
  EXPECT_EQ(trav({"backup", "restore", target, "--to", copy.string()}), 0);
  kill();
  std::filesystem::create_directories(scratch_.path() / "moved");
  EXPECT_NE(trav({"log", "copy", "--from", data().string(), "--to", (scratch_.path() / "moved").string()}), 0);
  std::filesystem::rename(data(), scratch_.path() / "original");
  std::filesystem::rename(copy, data());
  start();
  EXPECT_EQ(state(), after) << "from the backup's snapshot";
  EXPECT_NE(daemon_->output().find("rebuilt from the snapshot at record "), std::string::npos) << daemon_->output();
  kill();
  std::filesystem::remove_all(data() / "projection");
  std::filesystem::remove_all(data() / "snapshots");
  const Ended ended = run_daemon(scratch_, {"--data", data().string(), "--port", "0"});
  EXPECT_EQ(ended.code, 2) << ended.out;
  EXPECT_NE(ended.err.find("and no snapshot of this program's layout leads there"), std::string::npos) << ended.err;
}

TEST_F(SnapshotTest, the_operator_takes_and_lists_them_while_the_daemon_works) {
  start("1000000");
  run(5);
  const std::string token = daemon_->operator_token();
  const auto take = [&](const std::string& shard, const std::string& body) {
    return ask(*daemon_, token, "POST", "/v1/shards/" + shard + "/snapshots", body);
  };
  Answer taken = take("0", "{}");
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (taken.status == 202 && std::chrono::steady_clock::now() < deadline) {
    taken = take("0", fmt::format(R"({{"lsn":{}}})", taken.value().at("lsn").as_int64()));
  }
  ASSERT_EQ(taken.status, 200) << taken.body;
  EXPECT_EQ(taken.value().at("lsn").as_int64(), metric("travertine_snapshot_lsn").at(R"({shard="0")"));
  EXPECT_GT(taken.value().at("bytes").as_int64(), 0);
  const std::string first = taken.body;
  EXPECT_EQ(take("0", R"({"lsn":1})").body, first) << "it holds that record";
  const Answer listed = ask(*daemon_, token, "GET", "/v1/snapshots");
  EXPECT_EQ(listed.body, "{\"items\":[" + first + "],\"next_cursor\":null}");

  ASSERT_FALSE(create_tenant(*daemon_, "beta").empty());  // a record of shard 0
  while (take("0", "{}").status == 202 && std::chrono::steady_clock::now() < deadline) {
  }
  const json::value page = ask(*daemon_, token, "GET", "/v1/snapshots?limit=1").value();
  ASSERT_EQ(page.at("items").as_array().size(), 1U);
  EXPECT_GT(page.at("items").at(0).at("lsn").as_int64(), taken.value().at("lsn").as_int64());
  const std::string cursor = page.at("next_cursor").as_string().c_str();
  EXPECT_EQ(ask(*daemon_, token, "GET", "/v1/snapshots?limit=1&cursor=" + cursor).body, listed.body);

  Answer refused = take("99", "{}");
  EXPECT_EQ(refused.status, 404);
  EXPECT_NE(refused.text("detail").find("shard '99' not found; the shards are 0 to "), std::string::npos);
  EXPECT_EQ(take("x", "{}").status, 404);
  EXPECT_EQ(take("-1", "{}").status, 404);
  refused = take("0", R"({"lsn":999999})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.text("detail").find("lsn is 999999; shard 0 has the records 1 to "), std::string::npos);
  EXPECT_EQ(take("0", R"({"lsn":-1})").status, 400);
  EXPECT_EQ(take("0", R"({"lns":1})").status, 400);
  EXPECT_EQ(take("0", "").status, 400);
  EXPECT_EQ(ask(*daemon_, owner_, "POST", "/v1/shards/0/snapshots", "{}").status, 403);
  EXPECT_EQ(ask(*daemon_, owner_, "GET", "/v1/snapshots").status, 403);

  EXPECT_EQ(trav({"--url", daemon_->url(), "--token", token, "snapshot", "take"}), 0);
  EXPECT_EQ(trav({"--url", daemon_->url(), "--token", token, "snapshot", "list"}), 0);
  EXPECT_EQ(trav({"--url", daemon_->url(), "--token", owner_, "snapshot", "take"}), 1) << "refused";
  const std::string before = state();
  kill();
  std::filesystem::remove_all(data() / "projection");
  start("1000000");
  EXPECT_EQ(state(), before);
  EXPECT_NE(daemon_->output().find("rebuilt from the snapshot at record "), std::string::npos) << daemon_->output();
}

TEST_F(SnapshotTest, one_that_cannot_be_taken_is_refused_with_the_reason) {
  start("1000000");
  run(1);
  // A file where the folder of the shard's snapshots is to be.
  std::ofstream(data() / "snapshots/0") << "in the way";
  const Answer refused = ask(*daemon_, daemon_->operator_token(), "POST", "/v1/shards/0/snapshots", "{}");
  EXPECT_EQ(refused.status, 503) << refused.body;
  run(1);
}

}  // namespace
}  // namespace trv::api
