// `trav plugin fuzz` of a plugin in Python with a planted bug, and what it leaves for `trav plugin run`.

#include "kernel/cli/commands/command_line_fixture.hpp"

namespace trv::cli {
namespace {

class PluginFuzzCommand : public CommandLine {
 protected:
  void SetUp() override {
    environment_["TRAV_PLUGIN_HOST"] = TRV_PLUGIN_HOST;
    environment_["TRAV_TEMPLATE_DIR"] = "";
    plugin_ = (folder_ / "hello").string();
    ASSERT_EQ(trav({"plugin", "new", plugin_, "--language", "python"}), ExitCode::ok) << err_;
  }
  ExitCode fuzz(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"plugin", "fuzz", plugin_, "--keep", (folder_ / "kept").string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return trav(arguments);
  }

  std::string plugin_;
};

TEST_F(PluginFuzzCommand, the_template_has_no_findings_and_leaves_nothing) {
  ASSERT_EQ(fuzz({"--runs", "60", "--seed", "5"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("60 calls with seed 5: "), std::string::npos) << out_;
  EXPECT_NE(out_.find("no crash, no hang, no defect."), std::string::npos) << out_;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "kept"));
  ASSERT_EQ(fuzz({"--runs", "10", "--seed", "18446744073709551615", "--output", "json"}), ExitCode::ok) << err_;
  EXPECT_NE(out_.find("\"seed\":\"18446744073709551615\""), std::string::npos) << out_;
}

TEST_F(PluginFuzzCommand, a_planted_crash_is_kept_in_a_file_that_run_repeats) {
  const auto main = folder_ / "hello" / "program" / "main.py";
  std::string text = read(main);
  const std::string good = "return {\"text\": call.input[\"text\"]}";
  ASSERT_NE(text.find(good), std::string::npos) << text;
  text.replace(text.find(good), good.size(),
               "if len(call.input[\"text\"]) > 1000: import os; os._exit(3)\n    " + good);
  write("hello/program/main.py", text);
  ASSERT_EQ(fuzz({"--operation", "echo", "--runs", "40", "--seed", "5"}), ExitCode::faulted) << out_;
  EXPECT_NE(err_.find("crash of echo in run "), std::string::npos) << err_;
  EXPECT_NE(out_.find(" crash"), std::string::npos) << out_;
  const std::string kept = (folder_ / "kept" / "echo-crash-1.json").string();
  EXPECT_NE(err_.find("again: trav plugin run " + plugin_ + " echo --input-file " + kept), std::string::npos) << err_;
  EXPECT_GT(read(kept).size(), 1'000U);
  EXPECT_EQ(trav({"plugin", "run", plugin_, "echo", "--input-file", kept}), ExitCode::faulted);
  EXPECT_NE(err_.find("ended with exit code 3"), std::string::npos) << err_;
  EXPECT_EQ(trav({"plugin", "run", plugin_, "echo", "--input-file", kept, "--input", "{}"}), ExitCode::usage);
  EXPECT_EQ(trav({"plugin", "run", plugin_, "echo"}), ExitCode::usage);
}

TEST_F(PluginFuzzCommand, what_cannot_be_done_is_said) {
  EXPECT_EQ(fuzz({"--runs", "0"}), ExitCode::usage);
  EXPECT_NE(err_.find("--runs 0: a number from 1 to "), std::string::npos) << err_;
  EXPECT_EQ(fuzz({"--operation", "ehco", "--runs", "1"}), ExitCode::refused);
  EXPECT_NE(err_.find("it has echo, fetch"), std::string::npos) << err_;
}

}  // namespace
}  // namespace trv::cli
