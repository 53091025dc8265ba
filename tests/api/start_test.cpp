// A daemon that cannot start says why in one line and ends with exit code 2.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "kernel/http/testing/loopback_server.hpp"
#include "tests/support/api/api_fixture.hpp"
#include "tests/support/api/daemon.hpp"

namespace trv::api {
namespace {

class StartTest : public testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& text) const {
    std::ofstream(scratch_.path() / name) << text;
    return (scratch_.path() / name).string();
  }
  std::string data() const { return (scratch_.path() / "data").string(); }

  static void expect_one_line(const Ended& ended, std::string_view reason) {
    EXPECT_EQ(ended.code, 2) << ended.out << ended.err;
    EXPECT_EQ(ended.out, "");
    EXPECT_EQ(std::ranges::count(ended.err, '\n'), 1) << ended.err;
    EXPECT_TRUE(ended.err.starts_with("travd: ")) << ended.err;
    EXPECT_NE(ended.err.find(reason), std::string::npos) << ended.err;
  }

  ScratchFolder scratch_;
};

TEST_F(StartTest, a_port_in_use_is_named) {
  const http::LoopbackListener listener;
  const std::string port = std::to_string(listener.port());
  expect_one_line(run_daemon(scratch_, {"--data", data(), "--port", port}), port);
}

TEST_F(StartTest, a_first_start_that_fails_does_not_use_up_the_operators_token) {
  expect_one_line(run_daemon(scratch_, {"--data", data(), "--port", "0"}, {{"TRAV_HTTP_ADDRESS", "192.0.2.1"}}),
                  "192.0.2.1");
  const auto daemon = Daemon::start(scratch_);
  ASSERT_TRUE(daemon) << daemon.error().message();
  EXPECT_TRUE((*daemon)->operator_token().starts_with("trv_"));
}

TEST_F(StartTest, a_lost_operator_token_is_replaced_where_asked_for) {
  for (const bool asked : {false, true}) {
    const auto first = Daemon::start(scratch_);
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_EQ((*first)->stop(), 0);
    const auto again = asked ? Daemon::start(scratch_, {"--new-operator-token"}) : Daemon::start(scratch_);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ((*again)->operator_token().starts_with("trv_"), asked);
  }
}

TEST_F(StartTest, a_log_that_was_lost_is_not_a_new_beginning) {
  {
    const auto daemon = Daemon::start(scratch_);
    ASSERT_TRUE(daemon) << daemon.error().message();
    EXPECT_EQ((*daemon)->stop(), 0);
  }
  std::filesystem::rename(scratch_.path() / "data/log", scratch_.path() / "log");
  for (int i = 0; i < 2; ++i) {
    expect_one_line(run_daemon(scratch_, {"--data", data(), "--port", "0"}), "ends with record 0");
  }
  std::filesystem::remove_all(scratch_.path() / "data/log");
  std::filesystem::rename(scratch_.path() / "log", scratch_.path() / "data/log");
  std::filesystem::rename(scratch_.path() / "data/keys/audit.pem", scratch_.path() / "audit.pem");
  expect_one_line(run_daemon(scratch_, {"--data", data(), "--port", "0"}), "audit.pem is missing");
  std::filesystem::rename(scratch_.path() / "audit.pem", scratch_.path() / "data/keys/audit.pem");
  EXPECT_TRUE(Daemon::start(scratch_));
}

TEST_F(StartTest, keys_that_belong_to_another_log_are_refused) {
  const ScratchFolder other;
  ASSERT_TRUE(Daemon::start(scratch_));
  ASSERT_TRUE(Daemon::start(other));
  const std::filesystem::path keys = scratch_.path() / "data/keys";
  std::filesystem::rename(keys, scratch_.path() / "keys");
  std::filesystem::copy(other.path() / "data/keys", keys);
  expect_one_line(run_daemon(scratch_, {"--data", data(), "--port", "0"}), "belong to another log than embedded");
  std::filesystem::remove_all(keys);
  std::filesystem::rename(scratch_.path() / "keys", keys);
  EXPECT_TRUE(Daemon::start(scratch_));
  std::filesystem::remove_all(scratch_.path() / "data/log");
  std::filesystem::remove_all(scratch_.path() / "data/projection");
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(Daemon::start(scratch_)) << "a log that begins anew takes the keys over";
}

TEST_F(StartTest, a_data_folder_that_cannot_be_written_is_named) {
  const std::string below = file("plain", "x") + "/data";
  expect_one_line(run_daemon(scratch_, {"--data", below, "--port", "0"}), below);
}

TEST_F(StartTest, a_data_folder_that_another_daemon_holds_is_named) {
  const auto daemon = Daemon::start(scratch_);
  ASSERT_TRUE(daemon) << daemon.error().message();
  expect_one_line(run_daemon(scratch_, {"--data", data(), "--port", "0"}), data());
  EXPECT_TRUE((*daemon)->running());
}

TEST_F(StartTest, an_unknown_key_of_the_file_is_named_with_its_line) {
  const std::string config = file("travd.toml", "[http]\nprot = 1\n");
  const Ended ended = run_daemon(scratch_, {"--data", data(), "--config", config});
  expect_one_line(ended, "line 2: unknown key 'http.prot'; did you mean 'http.port'?");
  EXPECT_FALSE(std::filesystem::exists(data()));
  expect_one_line(run_daemon(scratch_, {"--config", file("bad.toml", "[http\nport = 1\n")}), "line 1");
  expect_one_line(run_daemon(scratch_, {"--config", (scratch_.path() / "none.toml").string()}), "none.toml");
}

TEST_F(StartTest, a_bad_value_of_the_environment_is_named) {
  expect_one_line(run_daemon(scratch_, {"--data", data()}, {{"TRAV_HTTP_PORT", "80x"}}), "TRAV_HTTP_PORT: '80x'");
  expect_one_line(run_daemon(scratch_, {"--data", data()}, {{"TRAV_HTTP_ADDRESS", "nowhere"}}), "nowhere");
  expect_one_line(run_daemon(scratch_, {"--data", data()}, {{"TRAV_LOG_LEVEL", "loud"}}), "TRAV_LOG_LEVEL");
}

TEST_F(StartTest, a_misspelt_variable_is_a_warning_and_those_of_the_command_line_are_left_alone) {
  const std::string below = file("plain", "x") + "/data";  // so that it ends
  const Variables variables = {
      {"TRAV_URL", "x"}, {"TRAV_TOKEN", "x"}, {"TRAV_TENANT", "x"}, {"TRAV_CONFIG_DIR", "x"}, {"TRAV_HTTP_PROT", "1"}};
  const Ended ended = run_daemon(scratch_, {"--data", below, "--port", "0"}, variables);
  EXPECT_EQ(std::ranges::count(ended.err, '\n'), 2) << ended.err;
  EXPECT_TRUE(
      ended.err.starts_with("travd: warning: environment variable TRAV_HTTP_PROT is not known to travd; did "
                            "you mean 'TRAV_HTTP_PORT'?\n"))
      << ended.err;
}

TEST_F(StartTest, an_empty_data_folder_is_refused) {
  expect_one_line(run_daemon(scratch_, {"--data", "", "--port", "0"}), "--data: must not be empty");
}

TEST_F(StartTest, another_audit_origin_is_refused_with_what_to_do) {
  ASSERT_TRUE(Daemon::start(scratch_));
  const std::vector<std::string> arguments = {"--data", data(), "--port", "0"};
  for (int i = 0; i < 2; ++i) {
    const Ended ended = run_daemon(scratch_, arguments, {{"TRAV_AUDIT_ORIGIN", "other.example"}});
    expect_one_line(ended, "audit.origin is 'other.example'");
    EXPECT_NE(ended.err.find("Set audit.origin to 'travertine.local'"), std::string::npos) << ended.err;
  }
  EXPECT_TRUE(Daemon::start(scratch_));
}

TEST_F(StartTest, the_soft_limit_of_open_files_is_raised) {
  const auto daemon = Daemon::start(scratch_, {}, {.limits = "-Sn 256"});
  ASSERT_TRUE(daemon) << daemon.error().message();
  std::istringstream limits(contents_of("/proc/" + std::to_string((*daemon)->id()) + "/limits"));
  std::string line;
  while (std::getline(limits, line) && !line.starts_with("Max open files")) {
  }
  std::istringstream words(line);
  std::string soft;
  std::string hard;
  words >> soft >> soft >> soft >> soft >> hard;
  EXPECT_EQ(soft, hard) << line;
  EXPECT_NE(soft, "256");
}

TEST_F(StartTest, too_few_open_files_are_a_warning) {
  const auto daemon = Daemon::start(scratch_, {}, {.limits = "-n 512"});
  ASSERT_TRUE(daemon) << daemon.error().message();
  EXPECT_NE((*daemon)->complaints().find("the process may open 512 files"), std::string::npos)
      << (*daemon)->complaints();
}

TEST_F(StartTest, under_a_service_manager_the_operators_token_is_in_a_file_of_its_owner) {
  for (const Variables& variables :
       {Variables{{"JOURNAL_STREAM", "9:1234"}}, {{"INVOCATION_ID", "0123456789abcdef"}}}) {
    std::filesystem::remove_all(data());
    const auto daemon = Daemon::start(scratch_, {}, {.variables = variables});
    ASSERT_TRUE(daemon) << daemon.error().message();
    EXPECT_EQ((*daemon)->operator_token(), "") << (*daemon)->output();
    EXPECT_EQ((*daemon)->complaints().find("trv_"), std::string::npos);
    const auto file = (*daemon)->data() / "operator.token";
    EXPECT_NE((*daemon)->output().find(file.string()), std::string::npos) << (*daemon)->output();
    EXPECT_TRUE(contents_of(file).starts_with("trv_"));
    EXPECT_EQ(std::filesystem::status(file).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
}

TEST_F(StartTest, a_hangup_applies_what_needs_no_restart_and_names_the_rest) {
  const std::string config = file("travd.toml", "[log]\nlevel = \"info\"\n");
  const auto daemon = Daemon::start(scratch_, {"--config", config});
  ASSERT_TRUE(daemon) << daemon.error().message();
  const auto said_after_hangup = [&](std::string_view text) {
    EXPECT_EQ(::kill((*daemon)->id(), SIGHUP), 0);
    for (int i = 0; i < 1000; ++i) {
      if ((*daemon)->complaints().find(text) != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  };
  EXPECT_TRUE(said_after_hangup("the configuration is as it was"));
  file("travd.toml", "[log]\nlevel = \"loud\"\n");
  EXPECT_TRUE(said_after_hangup("'loud' is not a level"));
  file("travd.toml", "[log]\nlevel = \"debug\"\n[http]\nthreads = 2\n");
  EXPECT_TRUE(said_after_hangup("log.level is 'debug' now; it was 'info'"));
  EXPECT_NE((*daemon)->complaints().find("http.threads has changed"), std::string::npos);
  EXPECT_TRUE((*daemon)->running());
  EXPECT_EQ((*daemon)->stop(), 0);
}

TEST_F(StartTest, lines_of_json_are_objects_and_rooms_have_levels_that_a_hangup_changes) {
  const std::string config = file("travd.toml", "[log]\nformat = \"json\"\nlevels = \"shard=debug\"\n");
  const auto daemon = Daemon::start(scratch_, {"--config", config}, {.variables = {{"TRAV_OTHER", "x"}}});
  ASSERT_TRUE(daemon) << daemon.error().message();
  const auto lines_of = [&](std::string_view room, std::string_view level) {
    std::istringstream lines((*daemon)->complaints());
    int count = 0;
    for (std::string line; std::getline(lines, line);) {
      boost::system::error_code error;
      const json::value value = json::parse(line, error);
      EXPECT_FALSE(error) << line;
      if (error) return -1;
      if (value.at("room").as_string() == room && value.at("level").as_string() == level) ++count;
    }
    return count;
  };
  const auto await_lines = [&](std::string_view room, std::string_view level, std::string_view text) {
    for (int i = 0; i < 1000 && (*daemon)->complaints().find(text) == std::string::npos; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return lines_of(room, level);
  };
  EXPECT_GT(lines_of("shard", "debug"), 0);
  EXPECT_EQ(lines_of("daemon", "debug"), 0);
  EXPECT_EQ(lines_of("daemon", "warning"), 1) << "of the variable that nobody reads: " << (*daemon)->complaints();
  file("travd.toml", "[log]\nformat = \"json\"\nlevels = \"shards=info\"\n");
  EXPECT_EQ(::kill((*daemon)->id(), SIGHUP), 0);
  EXPECT_EQ(await_lines("daemon", "error", "nothing is applied"), 1);
  EXPECT_NE((*daemon)->complaints().find("'shards' is not a room of the log; did you mean 'shard'?; the rooms are"),
            std::string::npos);
  file("travd.toml", "[log]\nformat = \"json\"\nlevels = \"daemon=debug\"\n");
  EXPECT_EQ(::kill((*daemon)->id(), SIGHUP), 0);
  EXPECT_GT(await_lines("daemon", "info", "log.levels is 'daemon=debug' now"), 0);
  const int before = lines_of("shard", "debug");
  EXPECT_FALSE(create_tenant(**daemon, "quiet").empty());
  EXPECT_EQ(lines_of("shard", "debug"), before);
  EXPECT_EQ((*daemon)->stop(), 0);
}

TEST_F(StartTest, the_debug_level_shows_the_steps_of_a_start_claims_and_batches) {
  const auto daemon = Daemon::start(scratch_, {}, {.variables = {{"TRAV_LOG_LEVEL", "debug"}}});
  ASSERT_TRUE(daemon) << daemon.error().message();
  for (const std::string_view step : {"is locked", "the log ends with record 0", "listening on",
                                      "shard 0: claimed with epoch 1", "shard 0: batch 1 is durable up to record"}) {
    EXPECT_NE((*daemon)->complaints().find(step), std::string::npos) << step << "\n" << (*daemon)->complaints();
  }
}

TEST_F(StartTest, help_names_the_page_of_the_configuration) {
  const Ended ended = run_daemon(scratch_, {"--help"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_NE(ended.out.find("docs/guides/configuration.md"), std::string::npos) << ended.out;
}

TEST_F(StartTest, wrong_usage_is_refused) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--prot", "1"}, {"--port", "65536"}, {"--port", "x"}, {"surplus"}}) {
    const Ended ended = run_daemon(scratch_, arguments);
    EXPECT_EQ(ended.code, 2) << arguments[0];
    EXPECT_EQ(ended.out, "");
    EXPECT_FALSE(ended.err.empty());
  }
}

}  // namespace
}  // namespace trv::api
