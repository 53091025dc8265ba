// trav config.

#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

class ConfigCommand : public CommandLine {
 protected:
  void SetUp() override {
    CommandLine::SetUp();
    environment_["HOME"] = folder_.string();
  }
  bool out_has(std::string_view part) const { return out_.find(part) != std::string::npos; }
  bool err_has(std::string_view part) const { return err_.find(part) != std::string::npos; }
};

TEST_F(ConfigCommand, check_says_what_a_start_would_refuse) {
  const std::string good = write("good.toml", "[http]\nport = 9000\n").string();
  ASSERT_EQ(trav({"config", "check", good}), ExitCode::ok) << err_;
  EXPECT_TRUE(out_has("good.toml is valid; 1 keys differ from their defaults.")) << out_;
  environment_["TRAV_HTPP_PORT"] = "1";
  ASSERT_EQ(trav({"config", "check", good}), ExitCode::ok) << err_;
  EXPECT_TRUE(err_has("TRAV_HTPP_PORT is not known to travd; did you mean 'TRAV_HTTP_PORT'?")) << err_;
  environment_.erase("TRAV_HTPP_PORT");

  EXPECT_EQ(trav({"config", "check", write("bad.toml", "[http]\nport = 99999\n").string()}), ExitCode::refused);
  EXPECT_TRUE(err_has("bad.toml line 2: key 'http.port': 99999 is out of range; use 0 to 65535")) << err_;
  EXPECT_EQ(trav({"config", "check", write("trust.toml", "[plugins]\ntrust = \"/none/keys\"\n").string()}),
            ExitCode::refused);
  EXPECT_TRUE(err_has("plugins.trust: ")) << err_;
  EXPECT_EQ(trav({"config", "check", (folder_ / "none.toml").string()}), ExitCode::refused);
}

TEST_F(ConfigCommand, explain_shows_values_and_what_set_them) {
  const std::string file = write("travd.toml", "[http]\nport = 9000\n").string();
  environment_["TRAV_SHARDS"] = "4";
  ASSERT_EQ(trav({"config", "explain", "--config", file, "--output", "json"}), ExitCode::ok) << err_;
  EXPECT_TRUE(out_has(R"("key":"http.port","value":"9000","source":")" + file + " line 2\"")) << out_;
  EXPECT_TRUE(out_has(R"("key":"shards","value":"4","source":"TRAV_SHARDS")")) << out_;
  ASSERT_EQ(trav({"config", "explain", "log.level"}), ExitCode::ok) << err_;
  EXPECT_TRUE(out_has("SIGHUP")) << out_;
  EXPECT_TRUE(out_has("The least severe messages")) << out_;
  EXPECT_EQ(trav({"config", "explain", "http.prot"}), ExitCode::usage);
  EXPECT_TRUE(err_has("no key is called 'http.prot'; did you mean 'http.port'?")) << err_;
}

TEST_F(ConfigCommand, diff_says_what_needs_a_restart) {
  const std::string before = write("before.toml", "[log]\nlevel = \"info\"\n").string();
  const std::string after = write("after.toml", "[log]\nlevel = \"debug\"\n[http]\nthreads = 2\n").string();
  environment_["TRAV_HTTP_THREADS"] = "3";
  ASSERT_EQ(trav({"config", "diff", before, after, "--output", "json"}), ExitCode::ok) << err_;
  EXPECT_EQ(out_, R"([{"key":"http.threads","before":"1","after":"2","applied_by":"restart"},)"
                  R"({"key":"log.level","before":"info","after":"debug","applied_by":"SIGHUP"}])"
                  "\n");
  ASSERT_EQ(trav({"config", "diff", before, before}), ExitCode::ok) << err_;
  EXPECT_TRUE(out_has("The two say the same.")) << out_;
}

}  // namespace
}  // namespace trv::cli
